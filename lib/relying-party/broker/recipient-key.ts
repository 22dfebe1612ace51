import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { FlattenedJWE } from 'jose';
import { canonicalJson } from '../../base/canonical-json.js';
import { isJsonObject } from '../../base/strict-json.js';

/** `tee-pubkey`: the key that a broker's answers are encrypted to. */
export type RecipientJwk =
  | { kty: 'RSA'; alg: 'RSA-OAEP-256'; n: string; e: string }
  | { kty: 'EC'; alg: 'ECDH-ES+A256KW'; crv: 'P-256' | 'P-384' | 'P-521'; x: string; y: string };

const MEMBERS = {
  RSA: ['kty', 'alg', 'n', 'e'],
  EC: ['kty', 'alg', 'crv', 'x', 'y'],
} as const;
const ALGORITHMS = { RSA: 'RSA-OAEP-256', EC: 'ECDH-ES+A256KW' } as const;
const CURVES: readonly unknown[] = ['P-256', 'P-384', 'P-521'];
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** The key, or undefined for one that nothing is encrypted to: weak, off its curve, or with members besides. */
export function recipientKey(value: unknown): { jwk: RecipientJwk; key: KeyObject } | undefined {
  if (!isJsonObject(value)) return undefined;
  const { kty } = value;
  if (kty !== 'RSA' && kty !== 'EC') return undefined;
  const names = MEMBERS[kty];
  const isComplete = names.every((name) => typeof value[name] === 'string');
  if (!isComplete || Object.keys(value).length !== names.length || value.alg !== ALGORITHMS[kty]) return undefined;
  if (kty === 'EC' && !CURVES.includes(value.crv)) return undefined;
  if (kty === 'RSA' && value.e !== 'AQAB') return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey({ format: 'jwk', key: { ...value } });
  } catch {
    return undefined;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (kty === 'RSA' && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)) return undefined;
  return { jwk: value as unknown as RecipientJwk, key };
}

/** RFC 7638, SHA-256, base64url. */
export function thumbprintOf(jwk: RecipientJwk): string {
  const members =
    jwk.kty === 'RSA' ? { e: jwk.e, kty: jwk.kty, n: jwk.n } : { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y };
  return createHash('sha256').update(canonicalJson(members)).digest('base64url');
}

/** A resource as a JWE in Flattened JSON Serialization, A256GCM. */
export async function encryptToRecipient(
  key: KeyObject,
  alg: RecipientJwk['alg'],
  plaintext: Uint8Array,
): Promise<FlattenedJWE> {
  const { FlattenedEncrypt } = await import('jose');
  return new FlattenedEncrypt(plaintext).setProtectedHeader({ alg, enc: 'A256GCM' }).encrypt(key);
}
