import { createCipheriv, createHash, createPublicKey, diffieHellman, type KeyObject, randomBytes } from 'node:crypto';
import type { FlattenedJWE } from 'jose';
import { canonicalJson } from '../../base/canonical-json.js';
import { isJsonObject } from '../../base/strict-json.js';
import { newKeyPair } from '../../node/key-pair.js';

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
  if (alg === 'ECDH-ES+A256KW') return encryptByAgreement(key, plaintext);
  const { FlattenedEncrypt } = await import('jose');
  return new FlattenedEncrypt(plaintext).setProtectedHeader({ alg, enc: 'A256GCM' }).encrypt(key);
}

const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);

/**
 * ECDH-ES+A256KW (RFC 7518 section 4.6). trustee's clients do not authenticate the header that they get, but what their
 * types write after reading it: `alg`, `enc`, then the other members with their own in alphabetical order.
 */
function encryptByAgreement(publicKey: KeyObject, plaintext: Uint8Array): FlattenedJWE {
  const namedCurve = publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const ephemeral = newKeyPair({ namedCurve });
  const { crv, kty, x, y } = ephemeral.publicKey.export({ format: 'jwk' });
  const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk: { crv, kty, x, y } };
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url');
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
  const [contentKey, iv] = [randomBytes(32), randomBytes(12)];
  const wrap = createCipheriv('id-aes256-wrap', agreedKey(shared, header.alg), KEY_WRAP_IV);
  const encryptedKey = Buffer.concat([wrap.update(contentKey), wrap.final()]);
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(Buffer.from(encoded, 'latin1'));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  contentKey.fill(0);
  return {
    protected: encoded,
    encrypted_key: encryptedKey.toString('base64url'),
    iv: iv.toString('base64url'),
    ciphertext: ciphertext.toString('base64url'),
    tag: cipher.getAuthTag().toString('base64url'),
  };
}

/** Concat KDF of one round: 256 bits of SHA-256, without names of the parties (RFC 7518 section 4.6.2). */
function agreedKey(shared: Uint8Array, algorithm: string): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const parts = [
    number(1),
    shared,
    number(algorithm.length),
    Buffer.from(algorithm),
    number(0),
    number(0),
    number(256),
  ];
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}
