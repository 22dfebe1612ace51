import { encodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { invalid, readArguments } from '../base/options.js';
import { sha2 } from '../base/sha2.js';
import { isJsonObject } from '../base/strict-json.js';
import { publicKeyFromJwk } from '../engine/public-key.js';
import { messageOf } from '../verify/refusal.js';
import { parsePart } from './parse.js';
import { own } from './token-checks.js';

/** `kid` of the TPM's ephemeral key in a guest attestation token. */
export const EPHEMERAL_KEY_ID = 'TpmEphemeralEncryptionKey';

/** A token carries a few KiB; beyond this it is not parsed. */
const MAX_TOKEN_LENGTH = 1 << 20;
const BOUNDS = { minBits: 2048, maxBits: 16384, exponent: 65537 };

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
  if (typeof token !== 'string' || token === '') throw invalid('the token must be a non-empty string');
  const claims = tokenClaims(token);
  const type = own(claims, 'x-ms-attestation-type');
  if (type !== undefined && type !== 'azurevm') {
    throw invalid('only a guest token (azurevm) carries the key of a TPM');
  }
  const runtime = own(claims, 'x-ms-runtime');
  if (runtime === undefined) throw invalid('the token has no x-ms-runtime claim');
  const keys = isJsonObject(runtime) ? own(runtime, 'keys') : undefined;
  if (!Array.isArray(keys)) throw notExtracted('x-ms-runtime.keys of the token is not an array');
  if (keys.length === 0) throw invalid('x-ms-runtime.keys of the token is empty');
  const named = keys.filter((key) => isJsonObject(key) && own(key, 'kid') === EPHEMERAL_KEY_ID);
  if (named.length !== 1) throw notExtracted(`the token has ${named.length} keys ${EPHEMERAL_KEY_ID}, not one`);
  return encryptionKeyFromJwk(named[0]);
}

/**
 * Checks and normalizes a public RSA JWK, for a sender who has the key from verified evidence and no token.
 *
 * @throws AttestationError 8 when `jwk` is not an object or lacks a member, 23 when it is not an RSA key of at least 2048 bits
 * with e = 65537.
 */
export function encryptionKeyFromJwk(jwk: unknown): EncryptionKey {
  if (!isJsonObject(jwk)) throw invalid('the key is not a JWK object');
  const [kty, n, e, kid] = ['kty', 'n', 'e', 'kid'].map((name) => own(jwk, name));
  if (kty !== 'RSA') throw notConverted('the encryption key is not an RSA key');
  if (!isText(n) || !isText(e)) throw invalid('the encryption key has no member n or e');
  const key = publicKeyFromJwk({ kty, n: inUrlAlphabet(n), e: inUrlAlphabet(e) }, BOUNDS);
  if (key?.type !== 'rsa') {
    const { minBits, maxBits, exponent } = BOUNDS;
    throw notConverted(`the encryption key is not of ${minBits} to ${maxBits} bits with the exponent ${exponent}`);
  }
  // In the order of a thumbprint (RFC 7638).
  const members = { e: encodeBase64url(key.e), kty, n: encodeBase64url(key.n) } as const;
  return {
    jwk: { kty: 'RSA', n: members.n, e: members.e, ...(isText(kid) && { kid }) },
    thumbprint: encodeBase64url(sha2('SHA-256', utf8Bytes(JSON.stringify(members)))),
    modulusBytes: key.n.length,
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
  const [, payload, ...more] = token.split('.');
  if (token.length > MAX_TOKEN_LENGTH || payload === undefined || more.length !== 1) {
    throw notExtracted('the token is not a compact JWS of at most 1 MiB');
  }
  try {
    return parsePart(token, payload, 'claims');
  } catch (error) {
    throw notExtracted(messageOf(error));
  }
}

/** Padding and the standard alphabet are taken as well: tokens with them are in use and mean the same number. */
function inUrlAlphabet(text: string): string {
  return text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const notExtracted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.EXTRACTING_JWK_INFO, message);

const notConverted = (message: string): AttestationError =>
  new AttestationError(ErrorCode.CONVERTING_JWK_TO_RSA_PUB, message);
