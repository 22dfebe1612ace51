import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';

/** `kid` of the TPM's ephemeral key in a guest attestation token. */
export const EPHEMERAL_KEY_ID = 'TpmEphemeralEncryptionKey';

/** A token carries a few KiB; beyond this it is not parsed. */
const MAX_TOKEN_LENGTH = 1 << 20;
const MIN_MODULUS_BITS = 2048;
const MAX_MODULUS_BITS = 16384;
const EXPONENT_65537 = Buffer.from([1, 0, 1]);

/** Public RSA key as a JWK (RFC 7517); `n` and `e` in base64url without padding. */
export interface RsaPublicJwk {
  kty: 'RSA';
  n: string;
  e: string;
  kid?: string;
}

/** The key that data is encrypted to, in the forms that its users need. */
export interface EncryptionKey {
  /** Normalised: no padding, no leading zero bytes. */
  jwk: RsaPublicJwk;
  keyObject: KeyObject;
  /** RFC 7638 thumbprint, SHA-256, base64url: tells two ephemeral keys apart, since all have the same `kid`. */
  thumbprint: string;
  /** Size of one RSA block. */
  modulusBytes: number;
}

/**
 * The TPM's ephemeral key out of a guest attestation token: the one RSA key of `x-ms-runtime.keys` whose `kid` is
 * `TpmEphemeralEncryptionKey`.
 *
 * The token is **not** verified here, neither its signature nor its times: whoever could replace it could have the data
 * encrypted to a key of their own. Verify it first (`verifyToken`).
 *
 * @throws AttestationError 8 when `token` is no string or empty or carries no runtime keys at all, 22 when it is no
 * token or the key is missing or there twice, 23 when the key is no RSA key of at least 2048 bits with e = 65537.
 */
export function ephemeralKeyFromToken(token: string): EncryptionKey {
  if (typeof token !== 'string' || token === '') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the token must be a non-empty string');
  }
  const claims = tokenClaims(token);
  const runtime = own(claims, 'x-ms-runtime');
  if (runtime === undefined) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the token has no x-ms-runtime claim');
  }
  const keys = isObject(runtime) ? own(runtime, 'keys') : undefined;
  if (!Array.isArray(keys)) throw notExtracted('x-ms-runtime.keys of the token is no array');
  if (keys.length === 0) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'x-ms-runtime.keys of the token is empty');
  }
  const candidates = keys.filter((key) => isObject(key) && own(key, 'kid') === EPHEMERAL_KEY_ID);
  if (candidates.length !== 1) {
    throw notExtracted(`the token holds ${candidates.length} keys with kid ${EPHEMERAL_KEY_ID}, expected one`);
  }
  return encryptionKeyFromJwk(candidates[0]);
}

/**
 * Checks and normalises a public RSA JWK, for a sender who has the key from verified evidence and no token.
 *
 * @throws AttestationError 8 when `jwk` is no object or lacks a member, 23 when it is no RSA key of at least 2048 bits
 * with e = 65537.
 */
export function encryptionKeyFromJwk(jwk: unknown): EncryptionKey {
  if (!isObject(jwk)) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the key is no JWK object');
  if (own(jwk, 'kty') !== 'RSA') throw notConverted('the encryption key is no RSA key');
  const modulus = unsignedInteger(jwk, 'n');
  const exponent = unsignedInteger(jwk, 'e');
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits < MIN_MODULUS_BITS || bits > MAX_MODULUS_BITS) {
    throw notConverted(`the encryption key has ${bits} bits, expected at least ${MIN_MODULUS_BITS}`);
  }
  if ((modulus.at(-1) ?? 0) % 2 === 0) throw notConverted('the modulus of the encryption key is even');
  if (!exponent.equals(EXPONENT_65537)) throw notConverted('the exponent of the encryption key is not 65537');

  const kid = own(jwk, 'kid');
  const n = modulus.toString('base64url');
  const e = exponent.toString('base64url');
  let keyObject: KeyObject;
  try {
    keyObject = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
  } catch (cause) {
    throw new AttestationError(ErrorCode.CONVERTING_JWK_TO_RSA_PUB, 'the encryption key cannot be loaded', { cause });
  }
  return {
    jwk: { kty: 'RSA', n, e, ...(typeof kid === 'string' && { kid }) },
    keyObject,
    thumbprint: createHash('sha256').update(`{"e":"${e}","kty":"RSA","n":"${n}"}`).digest('base64url'),
    modulusBytes: Math.ceil(bits / 8),
  };
}

/** {@link ephemeralKeyFromToken} for a string, {@link encryptionKeyFromJwk} for anything else. */
export function encryptionKeyOf(tokenOrJwk: string | RsaPublicJwk): EncryptionKey {
  return typeof tokenOrJwk === 'string' || tokenOrJwk === undefined || tokenOrJwk === null
    ? ephemeralKeyFromToken(tokenOrJwk)
    : encryptionKeyFromJwk(tokenOrJwk);
}

function tokenClaims(token: string): Record<string, unknown> {
  if (token.length > MAX_TOKEN_LENGTH) throw notExtracted('the token is longer than 1 MiB');
  const segments = token.split('.');
  const payload = segments[1];
  if (segments.length !== 3 || payload === undefined || !/^[A-Za-z0-9_-]+$/.test(payload)) {
    throw notExtracted('the token is no compact JWS');
  }
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    // The parser's message quotes the claims; it is left out.
    throw notExtracted('the claims of the token are no JSON');
  }
  if (!isObject(claims)) throw notExtracted('the claims of the token are no JSON object');
  return claims;
}

/**
 * A Base64urlUInt (RFC 7518 section 2) without its leading zeros. Padding and the standard alphabet are taken as well:
 * tokens with them are in use and mean the same number.
 */
function unsignedInteger(jwk: Record<string, unknown>, member: 'n' | 'e'): Buffer {
  const text = own(jwk, member);
  if (typeof text !== 'string' || text === '') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `the encryption key has no member ${member}`);
  }
  const digits = text.replace(/={1,2}$/, '');
  if (digits.length % 4 === 1 || !/^[A-Za-z0-9+/_-]+$/.test(digits)) {
    throw notConverted(`${member} of the encryption key is no base64url`);
  }
  const bytes = Buffer.from(digits, 'base64url');
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return bytes.subarray(start);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(object: Record<string, unknown>, member: string): unknown {
  return Object.hasOwn(object, member) ? object[member] : undefined;
}

const notExtracted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.EXTRACTING_JWK_INFO, message);

const notConverted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.CONVERTING_JWK_TO_RSA_PUB, message);
