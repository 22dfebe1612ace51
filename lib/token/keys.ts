import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { JSONWebKeySet, JWK } from 'jose';
import { isJsonObject } from '../base/strict-json.js';
import { refuseToken } from './errors.js';

export type { JSONWebKeySet } from 'jose';

/** Most keys of a set that are looked at. The service publishes a few dozen. */
const MAX_KEYS = 1000;
/** Most keys tried for one token: keys that share its `kid`. */
const MAX_KEYS_PER_KID = 8;
const MAX_RSA_BITS = 8192;
const MIN_RSA_BITS = 2048;

/** Algorithms that `verifyToken` can be told to accept. RS256 is what the service signs with. */
export type TokenAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512';

/** Every algorithm that can be allowed; `none` and HMAC are not among them. */
export const TOKEN_ALGORITHMS: readonly TokenAlgorithm[] = Object.freeze([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const);

/** Curve of each ECDSA algorithm, in OpenSSL's names. */
const CURVES: Partial<Record<TokenAlgorithm, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' };

/** Accepts what looks like a key set within the limits; throws ERR_TOKEN_KEY_SET otherwise. */
export function checkKeySet(value: unknown): JSONWebKeySet {
  if (!isJsonObject(value) || !Array.isArray(value.keys)) throw refuseToken('ERR_TOKEN_KEY_SET', 'no array `keys`');
  if (value.keys.length > MAX_KEYS) {
    throw refuseToken('ERR_TOKEN_KEY_SET', `${value.keys.length} keys, at most ${MAX_KEYS} are looked at`);
  }
  return value as unknown as JSONWebKeySet;
}

/**
 * The keys of a set that may have made a signature: same `kid`, and usable with the algorithm. Several when the set has
 * more than one key of that name; empty when there is none.
 */
export function findKeys(set: JSONWebKeySet, kid: string, algorithm: TokenAlgorithm): KeyObject[] {
  const named = set.keys.filter((entry) => isJsonObject(entry) && entry.kid === kid);
  if (named.length > MAX_KEYS_PER_KID) {
    throw refuseToken('ERR_TOKEN_KEY_SET', `${named.length} keys share one kid, at most ${MAX_KEYS_PER_KID} are tried`);
  }
  const found: KeyObject[] = [];
  for (const entry of named) {
    if (entry.use !== undefined && entry.use !== 'sig') continue;
    if (entry.alg !== undefined && entry.alg !== algorithm) continue;
    const key = publicKeyOf(entry);
    if (key !== undefined && fits(key, algorithm)) found.push(key);
  }
  return found;
}

interface Imported {
  material: string;
  key: KeyObject | undefined;
}

/** Keys already imported, by entry; `material` notices an entry that its owner has changed since. */
const imported = new WeakMap<JWK, Imported>();

function publicKeyOf(entry: JWK): KeyObject | undefined {
  const material = `${entry.kty}|${entry.n}|${entry.e}|${entry.crv}|${entry.x}|${entry.y}|${entry.x5c?.[0]}`;
  const known = imported.get(entry);
  if (known?.material === material) return known.key;
  const key = importPublicKey(entry);
  imported.set(entry, { material, key });
  return key;
}

function importPublicKey(entry: JWK): KeyObject | undefined {
  const { kty, n, e, crv, x, y } = entry;
  try {
    if (kty === 'RSA' && typeof n === 'string' && typeof e === 'string') {
      return createPublicKey({ format: 'jwk', key: { kty, n, e } });
    }
    if (kty === 'EC' && typeof crv === 'string' && typeof x === 'string' && typeof y === 'string') {
      return createPublicKey({ format: 'jwk', key: { kty, crv, x, y } });
    }
    // The service's entries may carry the key in their certificate only. It is trusted for being in the issuer's set,
    // not for the certificate, which is self-signed.
    const certificate = entry.x5c?.[0];
    if (typeof certificate === 'string') return new X509Certificate(Buffer.from(certificate, 'base64')).publicKey;
  } catch {
    // Not a key: the others of the set stay usable.
  }
  return undefined;
}

function fits(key: KeyObject, algorithm: TokenAlgorithm): boolean {
  const curve = CURVES[algorithm];
  const details = key.asymmetricKeyDetails;
  if (curve !== undefined) return key.asymmetricKeyType === 'ec' && details?.namedCurve === curve;
  const bits = details?.modulusLength ?? 0;
  return key.asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS;
}
