import type { JSONWebKeySet, JWK } from 'jose';
import { parseCertificate } from '../abi/x509.js';
import { decodeBase64 } from '../base/base64url.js';
import type { VerificationError } from '../base/errors.js';
import { isJsonObject } from '../base/strict-json.js';
import type { EcCurve, PublicKey, SignatureScheme } from '../engine/engine.js';
import { publicKeyFromJwk } from '../engine/public-key.js';
import { refuseToken } from './errors.js';

export type { JSONWebKeySet } from 'jose';

/** Most keys of a set that are looked at. The service publishes a few dozen. */
const MAX_KEYS = 1000;
/** Most keys tried for one token: keys that share its `kid`. */
const MAX_KEYS_PER_KID = 8;

/** Algorithms that `verifyToken` can be told to accept. RS256 is what the service signs with. */
export type TokenAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512';

/** RFC 7518 section 3.1, with the curve of each ECDSA algorithm. `none` and HMAC cannot be allowed. */
const ALGORITHMS: Readonly<Record<TokenAlgorithm, { scheme: SignatureScheme; curve?: EcCurve }>> = {
  RS256: { scheme: { scheme: 'rsa-pkcs1', hash: 'SHA-256' } },
  RS384: { scheme: { scheme: 'rsa-pkcs1', hash: 'SHA-384' } },
  RS512: { scheme: { scheme: 'rsa-pkcs1', hash: 'SHA-512' } },
  PS256: { scheme: { scheme: 'rsa-pss', hash: 'SHA-256', saltLength: 32 } },
  PS384: { scheme: { scheme: 'rsa-pss', hash: 'SHA-384', saltLength: 48 } },
  PS512: { scheme: { scheme: 'rsa-pss', hash: 'SHA-512', saltLength: 64 } },
  ES256: { scheme: { scheme: 'ecdsa', hash: 'SHA-256' }, curve: 'P-256' },
  ES384: { scheme: { scheme: 'ecdsa', hash: 'SHA-384' }, curve: 'P-384' },
  ES512: { scheme: { scheme: 'ecdsa', hash: 'SHA-512' }, curve: 'P-521' },
};

/** Every algorithm that can be allowed. */
export const TOKEN_ALGORITHMS = /* @__PURE__ */ Object.freeze(
  /* @__PURE__ */ Object.keys(ALGORITHMS),
) as readonly TokenAlgorithm[];

export const schemeOf = (algorithm: TokenAlgorithm): SignatureScheme => ALGORITHMS[algorithm].scheme;

/** ERR_TOKEN_KEY_SET */
export function refuseKeySet(why: string, cause?: unknown): VerificationError {
  return refuseToken('ERR_TOKEN_KEY_SET', 'key set of the issuer', why, cause);
}

/** Accepts what looks like a key set within the limits; throws ERR_TOKEN_KEY_SET otherwise. */
export function checkKeySet(value: unknown): JSONWebKeySet {
  if (!isJsonObject(value) || !Array.isArray(value.keys)) throw refuseKeySet('no array `keys`');
  const { length } = value.keys;
  if (length > MAX_KEYS) throw refuseKeySet(`${length} keys, at most ${MAX_KEYS} are looked at`);
  return value as unknown as JSONWebKeySet;
}

/**
 * The keys of a set that may have made a signature: same `kid`, and usable with the algorithm. Several when the set has
 * more than one key of that name; empty when there is none.
 */
export function findKeys(set: JSONWebKeySet, kid: string, algorithm: TokenAlgorithm): PublicKey[] {
  const named = set.keys.filter((entry) => isJsonObject(entry) && entry.kid === kid);
  if (named.length > MAX_KEYS_PER_KID) {
    throw refuseKeySet(`${named.length} keys share one kid, at most ${MAX_KEYS_PER_KID} are tried`);
  }
  const found: PublicKey[] = [];
  for (const entry of named) {
    if (entry.use !== undefined && entry.use !== 'sig') continue;
    if (entry.key_ops !== undefined && !(Array.isArray(entry.key_ops) && entry.key_ops.includes('verify'))) continue;
    if (entry.alg !== undefined && entry.alg !== algorithm) continue;
    const key = publicKeyOf(entry);
    if (key !== undefined && fits(key, algorithm)) found.push(key);
  }
  return found;
}

interface Parsed {
  material: string;
  key: PublicKey | undefined;
}

/** Keys already parsed, by entry; `material` notices an entry that its owner has changed since. */
const parsed = /* @__PURE__ */ new WeakMap<JWK, Parsed>();

function publicKeyOf(entry: JWK): PublicKey | undefined {
  const { kty, n, e, crv, x, y, x5c } = entry;
  const members: unknown[] = [kty, n, e, crv, x, y, Array.isArray(x5c) ? x5c[0] : x5c];
  if (members.some((member) => member !== undefined && typeof member !== 'string')) return undefined;
  const material = members.join('|');
  const known = parsed.get(entry);
  if (known?.material === material) return known.key;
  const key = parseKey(entry);
  parsed.set(entry, { material, key });
  return key;
}

/** Undefined for what is not a usable key: the others of the set stay usable. */
function parseKey(entry: JWK): PublicKey | undefined {
  const hasNumbers = entry.kty === 'RSA' ? entry.n !== undefined : entry.x !== undefined;
  if (hasNumbers) return publicKeyFromJwk(entry);
  // The service's entries may carry the key in their certificate only. It is trusted for being in the issuer's set, not
  // for the certificate, which is self-signed.
  const [certificate] = Array.isArray(entry.x5c) ? entry.x5c : [];
  const der = typeof certificate === 'string' ? decodeBase64(certificate) : undefined;
  if (der === undefined) return undefined;
  try {
    return parseCertificate(der).publicKey;
  } catch {
    return undefined;
  }
}

function fits(key: PublicKey, algorithm: TokenAlgorithm): boolean {
  const { curve } = ALGORITHMS[algorithm];
  return key.type === 'rsa' ? curve === undefined : key.curve === curve;
}
