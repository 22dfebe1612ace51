import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { utf8Bytes, withoutLeadingZeros } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { readArguments } from '../base/options.js';
import { sha2 } from '../base/sha2.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { rsaPublicKey } from '../engine/public-key.js';

/** `kid` of the TPM's ephemeral key in a guest attestation token. */
export const EPHEMERAL_KEY_ID = 'TpmEphemeralEncryptionKey';

/** A token carries a few KiB; beyond this it is not parsed. */
const MAX_TOKEN_LENGTH = 1 << 20;
const MIN_MODULUS_BITS = 2048;
const MAX_MODULUS_BITS = 16384;
const MAX_NESTING = 32;
const EXPONENT_65537 = 65537;

/** Public RSA key as a JWK (RFC 7517); `n` and `e` in base64url without padding. */
export interface RsaPublicJwk {
  kty: 'RSA';
  n: string;
  e: string;
  kid?: string;
}

/** The key that data is encrypted to. */
export interface EncryptionKey {
  /** Normalized: no padding, no leading zero bytes. */
  jwk: RsaPublicJwk;
  /** RFC 7638 thumbprint, SHA-256, base64url: tells two ephemeral keys apart, since all have the same `kid`. */
  thumbprint: string;
  /** Size of one RSA block. */
  modulusBytes: number;
}

/**
 * Whom data is encrypted to: what `tokenEncryptionKey` returned, a public RSA key out of verified evidence, or a guest
 * attestation token, which is not verified then.
 */
export type EncryptionTarget = EncryptionKey | RsaPublicJwk | string;

/**
 * The TPM's ephemeral key out of a guest attestation token: the one RSA key of `x-ms-runtime.keys` whose `kid` is
 * `TpmEphemeralEncryptionKey`.
 *
 * A platform token (`x-ms-attestation-type` other than `azurevm`) is refused: its runtime data need not come from the
 * paravisor, so that the key in it may be anybody's.
 *
 * The token is **not** verified here, neither its signature nor its times: whoever could replace it could have the data
 * encrypted to a key of their own. Verify it first (`verifyToken`).
 *
 * @throws AttestationError 8 when `token` is not a string or is empty or carries no runtime keys at all, 22 when it is no
 * token or the key is missing or there twice, 23 when the key is not an RSA key of at least 2048 bits with e = 65537.
 */
export function ephemeralKeyFromToken(token: string): EncryptionKey {
  if (typeof token !== 'string' || token === '') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the token must be a non-empty string');
  }
  const claims = tokenClaims(token);
  const type = own(claims, 'x-ms-attestation-type');
  if (type !== undefined && type !== 'azurevm') {
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      'this is not a guest attestation token (azurevm): no key in it is known to be that of a TPM',
    );
  }
  const runtime = own(claims, 'x-ms-runtime');
  if (runtime === undefined) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the token has no x-ms-runtime claim');
  }
  const keys = isJsonObject(runtime) ? own(runtime, 'keys') : undefined;
  if (!Array.isArray(keys)) throw notExtracted('x-ms-runtime.keys of the token is not an array');
  if (keys.length === 0) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'x-ms-runtime.keys of the token is empty');
  }
  const candidates = keys.filter((key) => isJsonObject(key) && own(key, 'kid') === EPHEMERAL_KEY_ID);
  if (candidates.length !== 1) {
    throw notExtracted(`the token holds ${candidates.length} keys with kid ${EPHEMERAL_KEY_ID}, expected one`);
  }
  return encryptionKeyFromJwk(candidates[0]);
}

/**
 * Checks and normalizes a public RSA JWK, for a sender who has the key from verified evidence and no token.
 *
 * @throws AttestationError 8 when `jwk` is not an object or lacks a member, 23 when it is not an RSA key of at least 2048 bits
 * with e = 65537.
 */
export function encryptionKeyFromJwk(jwk: unknown): EncryptionKey {
  if (!isJsonObject(jwk)) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the key is not a JWK object');
  if (own(jwk, 'kty') !== 'RSA') throw notConverted('the encryption key is not an RSA key');
  const modulus = unsignedInteger(jwk, 'n');
  const exponent = unsignedInteger(jwk, 'e');
  const key = rsaPublicKey(modulus, exponent, {
    minBits: MIN_MODULUS_BITS,
    maxBits: MAX_MODULUS_BITS,
    exponent: EXPONENT_65537,
  });
  if (key === undefined) {
    throw notConverted(
      `the encryption key must have an odd modulus of ${MIN_MODULUS_BITS} to ${MAX_MODULUS_BITS} bits and the exponent 65537`,
    );
  }
  const kid = own(jwk, 'kid');
  const n = encodeBase64url(modulus);
  const e = encodeBase64url(exponent);
  return {
    jwk: { kty: 'RSA', n, e, ...(typeof kid === 'string' && { kid }) },
    thumbprint: encodeBase64url(sha2('SHA-256', utf8Bytes(`{"e":"${e}","kty":"RSA","n":"${n}"}`))),
    modulusBytes: modulus.length,
  };
}

/** {@link ephemeralKeyFromToken} for a string, {@link encryptionKeyFromJwk} for anything else. */
export function encryptionKeyOf(target: EncryptionTarget): EncryptionKey {
  if (typeof target === 'string' || target === undefined || target === null) return ephemeralKeyFromToken(target);
  return readArguments('the key to encrypt to', () =>
    encryptionKeyFromJwk(isJsonObject(target) && 'jwk' in target ? target.jwk : target),
  );
}

function tokenClaims(token: string): Record<string, unknown> {
  if (token.length > MAX_TOKEN_LENGTH) throw notExtracted('the token is longer than 1 MiB');
  const segments = token.split('.');
  const payload = decodeBase64url(segments[1] ?? '');
  if (segments.length !== 3 || payload === undefined || payload.length === 0) {
    throw notExtracted('the token is not a compact JWS');
  }
  let claims: unknown;
  try {
    claims = parseStrictJson(payload, MAX_NESTING);
  } catch {
    // The parser's message may quote the claims; it is left out.
    throw notExtracted('the claims of the token are not JSON, or name a member twice');
  }
  if (!isJsonObject(claims)) throw notExtracted('the claims of the token are not a JSON object');
  return claims;
}

/**
 * A Base64urlUInt (RFC 7518 section 2) without its leading zeros. Padding and the standard alphabet are taken as well:
 * tokens with them are in use and mean the same number.
 */
function unsignedInteger(jwk: Record<string, unknown>, member: 'n' | 'e'): Uint8Array {
  const text = own(jwk, member);
  if (typeof text !== 'string' || text === '') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `the encryption key has no member ${member}`);
  }
  const digits = text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const bytes = decodeBase64url(digits);
  if (bytes === undefined) throw notConverted(`${member} of the encryption key is not base64url`);
  return withoutLeadingZeros(bytes);
}

function own(object: Record<string, unknown>, member: string): unknown {
  return Object.hasOwn(object, member) ? object[member] : undefined;
}

const notExtracted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.EXTRACTING_JWK_INFO, message);

const notConverted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.CONVERTING_JWK_TO_RSA_PUB, message);
