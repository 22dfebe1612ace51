import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { withoutLeadingZeros } from '../base/bytes.js';
import { MalformedJws } from './jws.js';

/** Public part of a released key as the vault signed it, numbers without leading zeros (RSA) or as long as the field (EC). */
export type ReleasedPublicKey =
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'EC'; readonly crv: EcKeyCurve; readonly x: string; readonly y: string }
  | { readonly kty: 'oct' };

/** Curves of keys in Key Vault; `P-256K` is secp256k1. */
export type EcKeyCurve = 'P-256' | 'P-256K' | 'P-384' | 'P-521';

const FIELD_BYTES: Readonly<Record<EcKeyCurve, number>> = { 'P-256': 32, 'P-256K': 32, 'P-384': 48, 'P-521': 66 };

/** The key that a JWK describes. `kty` comes with `-HSM` from Key Vault and without from Managed HSM. @throws MalformedJws */
export function releasedPublicKey(jwk: Readonly<Record<string, unknown>>): ReleasedPublicKey {
  const kty = typeof jwk.kty === 'string' ? jwk.kty.replace(/-HSM$/, '') : undefined;
  if (kty === 'RSA') return { kty, n: unsigned(jwk.n, 'n'), e: unsigned(jwk.e, 'e') };
  if (kty === 'oct') return { kty };
  if (kty !== 'EC') throw new MalformedJws('kty is not RSA, EC or oct');
  const crv = curveOf(jwk.crv);
  return { kty, crv, x: coordinate(jwk.x, 'x', crv), y: coordinate(jwk.y, 'y', crv) };
}

/** Node and RFC 8812 say secp256k1. */
export function curveOf(name: unknown): EcKeyCurve {
  const curve = name === 'secp256k1' ? 'P-256K' : name;
  if (typeof curve === 'string' && Object.hasOwn(FIELD_BYTES, curve)) return curve as EcKeyCurve;
  throw new MalformedJws('crv is not P-256, P-256K, P-384 or P-521');
}

function unsigned(value: unknown, member: string): string {
  const bytes = typeof value === 'string' ? decodeBase64url(value) : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes.length > 1024)
    throw new MalformedJws(`${member} is not a number`);
  return encodeBase64url(withoutLeadingZeros(bytes));
}

function coordinate(value: unknown, member: string, curve: EcKeyCurve): string {
  const bytes = typeof value === 'string' ? decodeBase64url(value) : undefined;
  const digits = bytes && withoutLeadingZeros(bytes);
  if (digits === undefined || digits.length > FIELD_BYTES[curve])
    throw new MalformedJws(`${member} is not a coordinate`);
  const whole = new Uint8Array(FIELD_BYTES[curve]);
  whole.set(digits, whole.length - digits.length);
  return encodeBase64url(whole);
}
