import { createPublicKey, type KeyObject } from 'node:crypto';
import { firstElementSize } from '../../abi/der.js';
import { parseRuntimeClaims } from '../../abi/runtime-claims.js';
import { parseTpm2bPublic, type TpmPublic } from '../../abi/tpm.js';
import { type Certificate, parseCertificate } from '../../abi/x509.js';
import { equalBytes } from '../../base/bytes.js';
import { AttestationError } from '../../base/errors.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { rsaPublicKey } from '../../engine/public-key.js';
import { nodeContext } from '../../node/context.js';
import { type AttestationKey, checkAttestationKey } from '../../verify/attestation-key.js';
import { CheckList } from '../../verify/check-codes.js';
import { checkEventLog } from '../../verify/check-event-log.js';
import { checkQuote } from '../../verify/check-quote.js';
import { checkEncryptionKey } from '../../verify/encryption-key.js';
import { findPath } from '../../verify/path.js';
import { Algorithm, ObjectAttribute } from '../tpm/constants.js';
import type { GuestRequest, TpmInfo } from './guest-request.js';
import { malformed, untrusted } from './refusal.js';
import { failureOf } from './snp-evidence.js';
import type { ServiceTrust } from './trust.js';

/** PCRs that a Linux guest has to quote. */
const requiredPcrs = [0, 1, 2, 3, 4, 5, 6, 7];

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, noDictionaryAttack, restricted, sign } =
  ObjectAttribute;
const akAttributes =
  fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDictionaryAttack | restricted | sign;

/** What the TPM's evidence proves once it has been verified. */
export interface TpmEvidence {
  attestationKey: AttestationKey;
  akCertificate: Certificate;
  encryptionKey: KeyObject;
  /** Value of the SecureBoot variable; false when there is no log that says. */
  secureBoot: boolean;
}

/** Verifies attestation key, quote, event log and ephemeral key of a request, with the library. */
export async function verifyTpmEvidence(
  { tpm, eventLog }: Pick<GuestRequest, 'tpm' | 'eventLog'>,
  trust: Pick<ServiceTrust, 'akAuthorities' | 'now'>,
): Promise<TpmEvidence> {
  const { engine } = nodeContext;
  const attestationKey = attestationKeyOf(tpm);
  const akCertificate = await verifyAkCertificate(engine, tpm, attestationKey, trust);
  const list = new CheckList();
  const values = Object.fromEntries(pcrsOf(tpm).map(({ index, digest }) => [index, digest]));
  const signed = { message: tpm.quote, signature: tpm.quoteSignature, pcrs: { alg: 'sha256', values } } as const;
  const policy = { quotedPcrs: requiredPcrs };
  const quote = await checkQuote(engine, list, signed, attestationKey, { qualifyingData: undefined, policy });
  const { encryptionKeyPublic: publicArea, certifyInfo, certifySignature } = tpm;
  const ephemeral = { publicArea, certifyInfo, certifySignature };
  const jwk = await checkEncryptionKey(engine, list, ephemeral, attestationKey, quote);
  const log = eventLog.length === 0 ? undefined : eventLog;
  const boot = checkEventLog(list, log, quote, policy, (hash, data) => engine.digest(hash, data));
  if (!list.ok || jwk === undefined) throw untrusted(`the TPM's evidence is refused: ${failureOf(list.checks)}`);
  const encryptionKey = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  return { attestationKey, akCertificate, encryptionKey, secureBoot: boot?.secureBoot ?? false };
}

/** The one key named HCLAkPub is the attestation key that signed the quote. */
export function verifyBoundKey(runtimeData: Buffer, { attestationKey }: TpmEvidence): void {
  const list = new CheckList();
  const bound = checkAttestationKey(
    list,
    reading('RunTimeData', () => parseRuntimeClaims(runtimeData)),
  );
  if (bound === undefined) throw untrusted(`RunTimeData is refused: ${failureOf(list.checks)}`);
  if (!sameKey(bound, attestationKey)) throw untrusted('HCLAkPub of RunTimeData is not the key in AikPub');
}

/** Nothing but the request says what kind of key a Trusted Launch VM has, so its template is looked at. */
function attestationKeyOf({ akPublic }: TpmInfo): AttestationKey {
  const area: TpmPublic = reading('AikPub', () => parseTpm2bPublic(akPublic));
  const { objectAttributes, scheme, schemeHash, exponent } = area;
  if (objectAttributes !== akAttributes || scheme !== Algorithm.rsassa || schemeHash !== Algorithm.sha256) {
    throw untrusted('AikPub is not a restricted signing key of the attestation key template');
  }
  const key = rsaPublicKey(area.modulus, Uint8Array.of(1, 0, 1));
  if (key?.type !== 'rsa' || area.keyBits !== 2048 || exponent !== 65537) {
    throw untrusted(`AikPub is RSA of ${area.keyBits} bits, ${exponent}`);
  }
  return key;
}

async function verifyAkCertificate(
  engine: SignatureEngine,
  { akCertificate: bytes }: TpmInfo,
  attestationKey: AttestationKey,
  { akAuthorities, now }: Pick<ServiceTrust, 'akAuthorities' | 'now'>,
): Promise<Certificate> {
  // Zeros or bytes of an older certificate follow it in the NV index.
  const certificate = reading('AikCert', () => parseCertificate(bytes.subarray(0, firstElementSize(bytes, 'AikCert'))));
  const { publicKey } = certificate;
  if (publicKey?.type !== 'rsa' || !sameKey(publicKey, attestationKey)) {
    throw untrusted('AikCert is not of the key in AikPub');
  }
  const roots = akAuthorities.map((authority) => parseCertificate(authority.raw));
  const verdict = await findPath(engine, certificate, [], { roots, now: now() });
  if ('problem' in verdict) throw untrusted(`AikCert is not by a trusted authority: ${verdict.problem}`);
  return certificate;
}

/** PCR values; the lists of the request have to agree with each other. */
function pcrsOf({ pcrSet, pcrs }: TpmInfo): TpmInfo['pcrs'] {
  const ascending = pcrSet.every((index, i) => index < 24 && (i === 0 || index > (pcrSet[i - 1] ?? 0)));
  if (!ascending) throw malformed('PcrSet is not an ascending list of PCRs');
  if (pcrs.length !== pcrSet.length || pcrs.some(({ index }, i) => index !== pcrSet[i])) {
    throw malformed('PCRs and PcrSet differ');
  }
  return pcrs;
}

const sameKey = (one: Pick<AttestationKey, 'n' | 'e'>, other: Pick<AttestationKey, 'n' | 'e'>): boolean =>
  equalBytes(one.n, other.n) && equalBytes(one.e, other.e);

/** Turns the library's refusal to read a structure into the service's. */
function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AttestationError) throw malformed(`${what}: ${error.message}`);
    throw error;
  }
}
