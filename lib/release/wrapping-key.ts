import { createPrivateKey, createPublicKey, type JsonWebKey, KeyObject } from 'node:crypto';
import { types } from 'node:util';
import { decodeBase64url } from '../base/base64url.js';
import { withoutLeadingZeros } from '../base/bytes.js';
import { invalid } from '../base/options.js';
import { isJsonObject } from '../base/strict-json.js';
import { rsaPublicKey } from '../engine/public-key.js';
import { publicHalf } from '../node/key-pair.js';
import { EPHEMERAL_KEY_ID } from '../token/ephemeral-key.js';

/** The RSA key that a released key is wrapped to: a JWK, a KeyObject, or PEM. */
export type WrappingKeyInput = JsonWebKey | KeyObject | string;

export interface WrappingKey {
  /** `kid` in the token, which the vault repeats. */
  readonly kid: string;
  readonly modulusBytes: number;
  /** Where it is in software. */
  readonly privateKey?: KeyObject;
}

/** A wrapping key as a caller gives it. @throws AttestationError 8 */
export function wrappingKeyOf(input: unknown, name: string): WrappingKey {
  const key = keyObjectOf(input, name);
  const { n } = publicHalf(key).export({ format: 'jwk' });
  const modulus = typeof n === 'string' ? decodeBase64url(n) : undefined;
  if (key.asymmetricKeyType !== 'rsa' || modulus === undefined) throw invalid(`${name} must be an RSA key`);
  const given = isJsonObject(input) ? input.kid : undefined;
  return {
    kid: typeof given === 'string' ? given : EPHEMERAL_KEY_ID,
    modulusBytes: withoutLeadingZeros(modulus).length,
    ...(key.type === 'private' && { privateKey: key }),
  };
}

function keyObjectOf(input: unknown, name: string): KeyObject {
  try {
    if (types.isKeyObject(input)) {
      if (input instanceof KeyObject && input.type !== 'secret') return input;
    } else if (typeof input === 'string') {
      return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(input) ? createPrivateKey(input) : createPublicKey(input);
    } else if (isJsonObject(input)) {
      const key = input as JsonWebKey;
      return 'd' in key ? createPrivateKey({ key, format: 'jwk' }) : createPublicKey({ key, format: 'jwk' });
    }
  } catch (cause) {
    throw invalid(`${name} must be an RSA key: a JWK, a KeyObject or PEM`, cause);
  }
  throw invalid(`${name} must be an RSA key: a JWK, a KeyObject or PEM`);
}

/**
 * The key that the vault will wrap to: the first RSA key of the token's `x-ms-runtime.keys` that is for encryption. Keys
 * nested under `x-ms-isolation-tee` are not looked at. Undefined where there is none.
 */
export function wrappingKeyOfToken(
  claims: Readonly<Record<string, unknown>>,
): { kid: string; n: Uint8Array } | undefined {
  const runtime = claims['x-ms-runtime'];
  const keys: unknown[] = isJsonObject(runtime) && Array.isArray(runtime.keys) ? runtime.keys : [];
  const first = keys.find(
    (key) =>
      isJsonObject(key) &&
      key.kty === 'RSA' &&
      (key.use === 'enc' || (Array.isArray(key.key_ops) && key.key_ops.includes('encrypt'))),
  );
  if (!isJsonObject(first) || typeof first.kid !== 'string') return undefined;
  const [n, e] = [first.n, first.e].map((member) => (typeof member === 'string' ? decodeBase64url(member) : undefined));
  const key = n && e && rsaPublicKey(withoutLeadingZeros(n), withoutLeadingZeros(e));
  return key?.type === 'rsa' ? { kid: first.kid, n: key.n } : undefined;
}
