import { createHash, createPublicKey } from 'node:crypto';
import { native } from '../native.js';
import { loadCertificates } from './certificate.js';
import type { CheckList } from './check-list.js';
import type { RuntimeClaims, RuntimeClaimsKey } from './types.js';

const KID = 'HCLAkPub';
const MINIMUM_BITS = 2048;
const MAXIMUM_BITS = 8192;
const EXPONENT = 65537;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The vTPM's attestation key as the runtime claims give it. */
export interface AttestationKey {
  /** Modulus, big-endian, without leading zeros. */
  n: Uint8Array;
  e: typeof EXPONENT;
  jwk: RuntimeClaimsKey;
}

/** Takes the one attestation key out of the claims; two of that name, or a weak one, are refused. */
export function checkAttestationKey(list: CheckList, claims: RuntimeClaims | undefined): AttestationKey | undefined {
  const name = 'attestation key of the runtime claims';
  if (claims === undefined) {
    list.notChecked('ak', name, 'the runtime claims cannot be read');
    return undefined;
  }
  const named = claims.keys.filter((key) => key.kid === KID);
  const [jwk] = named;
  let actual = `${named.length} keys named ${KID}`;
  let key: AttestationKey | undefined;
  if (named.length === 1 && jwk !== undefined) {
    const n = decode(jwk.n);
    const e = decode(jwk.e);
    const bits = n === undefined ? 0 : bitLength(n);
    const exponent = e === undefined || e.length > 4 ? 0 : e.reduce((value, byte) => value * 256 + byte, 0);
    actual = `${jwk.kty} of ${bits} bits, exponent ${exponent}`;
    if (jwk.kty === 'RSA' && n !== undefined && bits >= MINIMUM_BITS && bits <= MAXIMUM_BITS && exponent === EXPONENT) {
      key = { n, e: EXPONENT, jwk };
    }
  }
  list.add('ak', name, 'ERR_AK', key !== undefined, {
    expected: `exactly one ${KID}: RSA of at least ${MINIMUM_BITS} bits, exponent ${EXPONENT}`,
    actual,
  });
  return key;
}

/** The AK certificate, when there is one, must be of the claims' key. Its own chain proves nothing about a guest. */
export function checkAkCertificate(
  list: CheckList,
  certificate: Uint8Array | undefined,
  key: AttestationKey | undefined,
): void {
  const name = 'AK certificate is of this key';
  if (certificate === undefined) {
    list.skipped('ak', name, 'no AK certificate in the evidence');
    return;
  }
  if (key === undefined) {
    list.notChecked('ak', name, 'no attestation key');
    return;
  }
  const expected = publicKeyDigest(key);
  let actual: string;
  try {
    actual = loadCertificates(certificate)[0]?.info.publicKeyDigest ?? 'absent';
  } catch (error) {
    actual = error instanceof Error ? error.message : String(error);
  }
  list.equal('ak', name, 'ERR_AK', expected, actual);
}

/** Whether the attestation key made an RSASSA-PKCS1-v1_5 SHA-256 signature. */
export function attestationKeySigned(key: AttestationKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return native().verifyRsassaSha256(key.n, key.e, message, signature);
  } catch {
    return false; // a modulus that OpenSSL refuses has signed nothing
  }
}

function publicKeyDigest({ jwk }: AttestationKey): string {
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' });
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function decode(text: string): Uint8Array | undefined {
  if (!BASE64URL.test(text) || text.length > 2048) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? undefined : bytes.subarray(first);
}

function bitLength(bytes: Uint8Array): number {
  return bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24;
}
