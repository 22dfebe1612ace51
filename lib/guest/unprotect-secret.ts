import { readFile } from 'node:fs/promises';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { abortSignal, bytesOrText, date, integer, listOf, oneOf, textLike } from '../base/option-kinds.js';
import { invalid, type OptionTable } from '../base/options.js';
import { defaultEngine } from '../engine/choose.js';
import { isNativeError } from '../native.js';
import { openSecret } from '../release/open-secret.js';
import { rootsOf } from '../release/options.js';
import { refuseSecret, splitSecretToken } from '../release/secret-token.js';
import { type SealedSecret, type SecretProtection, verifySecretToken } from '../release/verify-secret.js';
import type { NativeTpm } from '../tpm/native-tpm.js';
import type { RsaDecryptScheme } from '../tpm/types.js';
import type { ClientSettings } from './client-settings.js';
import { tpmCall } from './tpm-failure.js';

/** Persistent handle of the key that secrets are provisioned to: RSA-2048, empty auth value, bound to no PCR. */
export const GUEST_SECRET_KEY = 0x8100_0004;

/** What is demanded of a provisioned secret; in brackets the policy of Microsoft's library that is the same. */
export interface UnprotectSecretOptions {
  /**
   * `signed+encrypted` (RequireAll), the default; `signed`: it may be in the clear (AllowUnencrypted); `encrypted`: it may be
   * unsigned (AllowUnsigned), which anybody can make who knows the public key; `legacy`: what is not such a token at all is
   * returned as it is (AllowLegacy), and everything else must be signed and encrypted. The names in brackets are taken, too.
   */
  require?: SecretProtection | keyof typeof POLICIES;
  /** SMBIOS system UUID of this VM. Default: read from `/sys/class/dmi/id/product_uuid`, which takes root. */
  vmId?: string;
  /** Roots that sign secrets, in place of Azure's pinned ones: certificates in PEM or DER. */
  trustedRoots?: readonly (Uint8Array | string)[];
  /** How old the secret may be, in seconds since it was made, in place of the end that it names (30 minutes). */
  maxAgeSeconds?: number;
  /** The time to verify at; the current one by default. */
  now?: Date;
  signal?: AbortSignal;
}

const POLICIES = {
  RequireAll: 'signed+encrypted',
  AllowUnencrypted: 'signed',
  AllowUnsigned: 'encrypted',
  AllowLegacy: 'legacy',
} as const satisfies Record<string, SecretProtection>;

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const UNPROTECT_OPTIONS: OptionTable<UnprotectSecretOptions> = {
  require: oneOf(
    'signed+encrypted',
    'signed',
    'encrypted',
    'legacy',
    'RequireAll',
    'AllowUnencrypted',
    'AllowUnsigned',
    'AllowLegacy',
  ),
  vmId: textLike(GUID, 'a GUID'),
  trustedRoots: listOf(bytesOrText, 1),
  maxAgeSeconds: integer(0, Number.MAX_SAFE_INTEGER),
  now: date,
  signal: abortSignal,
};

type SecretGuest = Pick<ClientSettings, 'secretRoots' | 'productUuidPath'> & { tpm: NativeTpm };

/** Verifies and decrypts a secret that was provisioned to this VM. */
export async function unprotectSecret(
  token: string,
  options: UnprotectSecretOptions,
  guest: SecretGuest,
): Promise<Buffer> {
  if (typeof token !== 'string' || token === '') throw invalid('unprotectSecret takes the token as a string');
  const { require: wanted = 'signed+encrypted', maxAgeSeconds, now = new Date(), signal } = options;
  const protection = wanted in POLICIES ? POLICIES[wanted as keyof typeof POLICIES] : (wanted as SecretProtection);
  const trustedRoots = options.trustedRoots ?? guest.secretRoots;
  const parts = splitSecretToken(token);
  if (parts === undefined) {
    if (protection === 'legacy') return Buffer.from(token, 'utf8');
    throw refuseSecret('ERR_SECRET_FORMAT', 'its header does not say so');
  }
  const roots = trustedRoots === undefined ? undefined : rootsOf(trustedRoots)();
  const secret = await verifySecretToken(parts, { protection, roots, now, maxAgeSeconds }, defaultEngine());
  if (!secret.encrypted) return Buffer.from(secret.data);
  const { sealed } = secret;
  const vmId = options.vmId ?? (await systemUuid(guest.productUuidPath));
  const transportKey = await unwrapTransportKey(guest.tpm, sealed, signal);
  return openSecret(sealed, transportKey, vmId.toLowerCase());
}

/** Whether the TPM has the key that secrets are provisioned to. */
export async function secretsProvisioned(tpm: NativeTpm, signal?: AbortSignal): Promise<boolean> {
  const handles = await tpmCall(
    'the persistent handles cannot be listed',
    tpm.handles('persistent', { ...(signal && { signal }) }),
    { signal },
  );
  return handles.includes(GUEST_SECRET_KEY);
}

async function unwrapTransportKey(tpm: NativeTpm, sealed: SealedSecret, signal: AbortSignal | undefined) {
  const scheme: RsaDecryptScheme =
    sealed.padding === 'rsaes' ? { scheme: 'RSAES' } : { scheme: 'RSA-OAEP', hash: 'SHA-256' };
  try {
    return await tpmCall(
      'the TPM cannot decrypt the transport key of the secret',
      tpm.decryptSecretWith(
        { keyHandle: GUEST_SECRET_KEY, ciphertext: sealed.wrappedAesTransportKey, scheme },
        { ...(signal && { signal }) },
      ),
      { code: ErrorCode.DATA_DECRYPTION_TPM_ERROR, signal },
    );
  } catch (error) {
    if (!(error instanceof AttestationError) || !isRefusalOfBlock(error.cause)) throw error;
    throw refuseSecret('ERR_SECRET_DECRYPTION', 'it is not encrypted to the key of this machine', error);
  }
}

/** TPM_RC_HANDLE of the first handle: there is no such key. */
const NO_KEY = 0x018b;

/** An answer of the TPM itself about what it was given: neither a warning (TPM_RC_WARN) nor that the key is not there. */
function isRefusalOfBlock(error: unknown): boolean {
  if (!isNativeError(error) || error.kind !== 'tpm') return false;
  const layer = error.tpmErrorCode >>> 16;
  const code = error.tpmErrorCode & 0xffff;
  return (layer === 0 || layer === 11) && (code & 0x980) !== 0x900 && code !== NO_KEY;
}

async function systemUuid(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw invalid(`the id of this VM cannot be read from ${path}, which takes root: give vmId`, cause);
  }
  if (!GUID.test(text)) throw invalid(`${path} does not hold the id of a VM: give vmId`);
  return text;
}
