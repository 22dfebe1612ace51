import type { Certificate } from '../abi/x509.js';
import { decodeBase64 } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { sha2 } from '../base/sha2.js';
import { isJsonObject } from '../base/strict-json.js';
import type { SignatureEngine } from '../engine/engine.js';
import { usableKey } from '../engine/public-key.js';
import { verifySignature } from '../engine/verify-signature.js';
import { constraintsProblem } from '../verify/name-constraints.js';
import { findPath } from '../verify/path.js';
import { refuseSecret, type SecretToken } from './secret-token.js';

/** What a secret must be protected by. */
export type SecretProtection = 'signed+encrypted' | 'signed' | 'encrypted' | 'legacy';

/**
 * Roots of Azure's provisioning service, by the SHA-256 of their certificates: Commercial Cloud Root CA R1 (2024 to 2049)
 * and Azure Confidential Cloud Provisioning Root CA 2026 (2026 to 2041).
 */
const PINNED_ROOTS: readonly string[] = [
  '25030db4c89dfa9d15ea010f5b782d50b4c1f92cc7e0d9a18fd4f33548e0fbed',
  '4d7a3e4e53638dcfa94af465b81c31f6655de1680735eed3d1f3f8e1ecfe73eb',
];
/** End of the common name of every provisioning service, compared without case. */
const SERVICE_SUFFIX = '.securecpsprovisioning.cloudapp.net';
/** How far the clocks may differ, in seconds. */
const CLOCK_TOLERANCE = 60;

export interface SecretExpectations {
  readonly protection: SecretProtection;
  /** Undefined: the pinned ones. */
  readonly roots: readonly Certificate[] | undefined;
  readonly now: Date;
  /** In place of the secret's own end. */
  readonly maxAgeSeconds: number | undefined;
}

/** A secret whose token is what it must be: in the clear, or to be decrypted. */
export type VerifiedSecret =
  | { readonly encrypted: false; readonly data: Uint8Array }
  | { readonly encrypted: true; readonly sealed: SealedSecret };

/** The encrypted claims, of the right lengths. */
export interface SealedSecret {
  readonly padding: 'rsaes' | 'rsaes-oaep';
  readonly salt: Uint8Array;
  readonly dataNonce: Uint8Array;
  readonly keyNonce: Uint8Array;
  readonly wrappedAesTransportKey: Uint8Array;
  readonly encryptedGuestEcdhPrivateKey: Uint8Array;
  readonly ephemeralEcdhPublicKey: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

/**
 * Verifies a token that carries a provisioned secret: signature and certificates, times, and that its mode, its claims and
 * what the caller demands agree. A token that has a signature or certificates is never taken for an unsigned one.
 *
 * @throws VerificationError `ERR_SECRET_…`
 */
export async function verifySecretToken(
  token: SecretToken,
  expectations: SecretExpectations,
  engine: SignatureEngine,
): Promise<VerifiedSecret> {
  const { protection } = expectations;
  const isSigned = token.signature.length > 0 || token.certificates.length > 0;
  if (isSigned) await checkSigner(token, expectations, engine);
  checkTimes(token, expectations);
  const secret = contentOf(token);
  if (protection !== 'encrypted' && !isSigned) throw refuseSecret('ERR_SECRET_POLICY', 'it is not signed');
  if (protection !== 'signed' && !secret.encrypted) throw refuseSecret('ERR_SECRET_POLICY', 'it is not encrypted');
  return secret;
}

async function checkSigner(
  { header, certificates, signed, signature }: SecretToken,
  { roots, now }: SecretExpectations,
  engine: SignatureEngine,
): Promise<void> {
  if (header.alg !== 'RS256') throw refuseSecret('ERR_SECRET_SIGNATURE', 'the algorithm is not RS256');
  if (header.crit !== undefined || header.b64 !== undefined) {
    throw refuseSecret('ERR_SECRET_SIGNATURE', 'the header demands an extension that is not understood');
  }
  const [leaf, ...others] = certificates;
  if (leaf === undefined) throw refuseSecret('ERR_SECRET_CHAIN', 'it carries no certificate');
  const trusted = roots ?? others.filter(({ der }) => PINNED_ROOTS.includes(hex(sha2('SHA-256', der))));
  if (trusted.length === 0) {
    throw refuseSecret('ERR_SECRET_CHAIN', "it does not carry one of Azure's roots: give the root in trustedRoots");
  }
  const verdict = await findPath(engine, leaf, others, { roots: trusted, now, constraints: constraintsProblem });
  if ('problem' in verdict) throw refuseSecret('ERR_SECRET_CHAIN', verdict.problem);
  if (verdict.path.length < 2 || leaf.subject.commonName?.toLowerCase().endsWith(SERVICE_SUFFIX) !== true) {
    throw refuseSecret('ERR_SECRET_CHAIN', 'the certificate is not one of a provisioning service');
  }
  const key = leaf.publicKey && usableKey(leaf.publicKey);
  const scheme = { scheme: 'rsa-pkcs1', hash: 'SHA-256' } as const;
  if (key?.type !== 'rsa' || !(await verifySignature(engine, key, scheme, signed, signature))) {
    throw refuseSecret('ERR_SECRET_SIGNATURE', 'the signature does not verify');
  }
}

/** Microsoft's library looks at no times. A signed-only token may have none. */
function checkTimes({ claims, header }: SecretToken, { now, maxAgeSeconds }: SecretExpectations): void {
  const { iat, exp } = claims;
  const seconds = now.getTime() / 1000;
  for (const [name, time] of [
    ['iat', iat],
    ['exp', exp],
  ] as const) {
    if (time !== undefined && !Number.isSafeInteger(time))
      throw refuseSecret('ERR_SECRET_TIME', `${name} is not a time`);
  }
  if (typeof iat === 'number' && iat > seconds + CLOCK_TOLERANCE) {
    throw refuseSecret('ERR_SECRET_TIME', 'it says that it was made in the future');
  }
  if (maxAgeSeconds !== undefined) {
    if (typeof iat !== 'number') throw refuseSecret('ERR_SECRET_TIME', 'it does not say when it was made');
    if (seconds - iat > maxAgeSeconds) throw refuseSecret('ERR_SECRET_TIME', `it is older than ${maxAgeSeconds} s`);
  } else if (typeof exp === 'number' ? exp <= seconds - CLOCK_TOLERANCE : !isSigningOnly(header)) {
    throw refuseSecret('ERR_SECRET_TIME', typeof exp === 'number' ? 'it has expired' : 'it has no end');
  }
}

const isSigningOnly = ({ protectionSettings }: SecretToken['header']): boolean =>
  isJsonObject(protectionSettings) && protectionSettings.mode === 'SigningOnly';

/** Exact lengths in bytes; undefined: at least the tag of AES-GCM. */
const SEALED_CLAIMS = {
  salt: 32,
  dataNonce: 12,
  keyNonce: 12,
  wrappedAesTransportKey: 256,
  encryptedGuestEcdhPrivateKey: undefined,
  ephemeralEcdhPublicKey: undefined,
  encryptedSecret: undefined,
} as const satisfies Record<Exclude<keyof SealedSecret, 'padding'>, number | undefined>;
const TAG_BYTES = 16;

/** The mode decides which claims there are: a token with those of both could be read as either. */
function contentOf({ header, claims }: SecretToken): VerifiedSecret {
  const { protectionSettings } = header;
  const sealedNames = Object.keys(SEALED_CLAIMS).filter((name) => name in claims);
  if (protectionSettings !== undefined) {
    if (!isSigningOnly(header)) throw refuseSecret('ERR_SECRET_CLAIMS', 'the mode of protection is not known');
    const { signedData } = claims;
    if (typeof signedData !== 'string') throw refuseSecret('ERR_SECRET_CLAIMS', 'signedData is missing');
    if (sealedNames.length > 0) throw refuseSecret('ERR_SECRET_CLAIMS', 'a signed-only token has encrypted claims');
    return { encrypted: false, data: utf8Bytes(signedData) };
  }
  if ('signedData' in claims) throw refuseSecret('ERR_SECRET_CLAIMS', 'an encrypted token has signedData');
  const padding = header['x-az-rsa-padding'] ?? 'rsaes';
  if (padding !== 'rsaes' && padding !== 'rsaes-oaep')
    throw refuseSecret('ERR_SECRET_CLAIMS', 'the RSA padding is not known');
  const bytes = Object.entries(SEALED_CLAIMS).map(([name, length]) => [name, claimBytes(claims[name], name, length)]);
  return { encrypted: true, sealed: { padding, ...(Object.fromEntries(bytes) as Omit<SealedSecret, 'padding'>) } };
}

function claimBytes(value: unknown, name: string, length: number | undefined): Uint8Array {
  const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
  if (bytes === undefined) throw refuseSecret('ERR_SECRET_CLAIMS', `${name} is missing or not base64`);
  if (length === undefined ? bytes.length < TAG_BYTES : bytes.length !== length) {
    throw refuseSecret('ERR_SECRET_CLAIMS', `${name} has ${bytes.length} bytes`);
  }
  return bytes;
}
