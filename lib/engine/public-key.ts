import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { copyBytes, withoutLeadingZeros } from '../base/bytes.js';
import { CURVES, isOnCurve } from './curves.js';
import type { EcCurve, PublicKey, SignatureEngine } from './engine.js';

/**
 * Public keys, checked the same way whatever engine computes with them: runtimes differ in what they import. What cannot be
 * used is `undefined`, and whoever holds the structure says which error that is.
 */

/** Bounds of an RSA key; a profile may narrow them. */
export interface RsaBounds {
  /** Least bits of the modulus. Default 2048. */
  minBits?: number;
  /** Most bits of the modulus. Default 8192: more only costs time. */
  maxBits?: number;
  /** The one exponent that is taken. Default: any odd one from 3 to 2^32 − 1. */
  exponent?: number;
}

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const MAX_EXPONENT_BYTES = 4;

/** What keys are once they have been checked: of one key always the same object. */
const usable = /* @__PURE__ */ new WeakMap<PublicKey, PublicKey | undefined>();

/** A key, for instance one that stood in a certificate, within the bounds that every engine is held to: on its curve. */
export function usableKey(key: PublicKey): PublicKey | undefined {
  if (!usable.has(key)) {
    usable.set(key, key.type === 'rsa' ? rsaPublicKey(key.n, key.e) : ecPublicKey(key.curve, key.x, key.y));
  }
  return usable.get(key);
}

/** Whether there is such a key, as far as the engine does not look at that itself. */
export function isUsableKey(key: PublicKey, { checksPoints }: SignatureEngine): boolean {
  return (key.type === 'ec' && checksPoints) || usableKey(key) !== undefined;
}

/** An RSA key of big-endian numbers without leading zeros; undefined when it is out of bounds or even. */
export function rsaPublicKey(n: Uint8Array, e: Uint8Array, bounds: RsaBounds = {}): PublicKey | undefined {
  const { minBits = MIN_RSA_BITS, maxBits = MAX_RSA_BITS, exponent } = bounds;
  const bits = bitLength(n);
  if (bits === 0 || bits < minBits || bits > maxBits || ((n.at(-1) ?? 0) & 1) === 0) return undefined;
  if (bitLength(e) === 0 || e.length > MAX_EXPONENT_BYTES) return undefined;
  const value = e.reduce((sum, byte) => sum * 256 + byte, 0);
  if (value < 3 || value % 2 === 0 || (exponent !== undefined && value !== exponent)) return undefined;
  return { type: 'rsa', n: copyBytes(n), e: copyBytes(e) };
}

/** An EC key of coordinates that are as long as the field; undefined when the point is not on the curve. */
export function ecPublicKey(curve: EcCurve, x: Uint8Array, y: Uint8Array): PublicKey | undefined {
  const { size } = CURVES[curve];
  if (x.length !== size || y.length !== size || !isOnCurve(curve, x, y)) return undefined;
  const key: PublicKey = { type: 'ec', curve, x: copyBytes(x), y: copyBytes(y) };
  // Of its own bytes: whether they are on the curve need not be worked out again.
  usable.set(key, key);
  return key;
}

/** An EC key of an uncompressed point, 04 ‖ x ‖ y (SEC 1 section 2.3.3), as a SubjectPublicKeyInfo holds it. */
export function ecPublicKeyFromPoint(curve: EcCurve, point: Uint8Array): PublicKey | undefined {
  const { size } = CURVES[curve];
  if (point.length !== 1 + 2 * size || point[0] !== 0x04) return undefined;
  return ecPublicKey(curve, point.subarray(1, 1 + size), point.subarray(1 + size));
}

/** Key members of a JWK (RFC 7518 section 6), unchecked. */
export interface JwkMembers {
  kty?: unknown;
  n?: unknown;
  e?: unknown;
  crv?: unknown;
  x?: unknown;
  y?: unknown;
}

/** The key of a JWK, RSA or EC. Leading zeros of an RSA key's numbers are in use and dropped. */
export function publicKeyFromJwk(jwk: JwkMembers, bounds?: RsaBounds): PublicKey | undefined {
  if (jwk.kty === 'RSA') {
    const n = member(jwk.n);
    const e = member(jwk.e);
    if (n === undefined || e === undefined) return undefined;
    return rsaPublicKey(withoutLeadingZeros(n), withoutLeadingZeros(e), bounds);
  }
  if (jwk.kty === 'EC' && (jwk.crv === 'P-256' || jwk.crv === 'P-384' || jwk.crv === 'P-521')) {
    const x = member(jwk.x);
    const y = member(jwk.y);
    return x === undefined || y === undefined ? undefined : ecPublicKey(jwk.crv, x, y);
  }
  return undefined;
}

function member(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' && value !== '' ? decodeBase64url(value) : undefined;
}

/** The key as a JWK of `kty` and its numbers alone, in the order of a thumbprint (RFC 7638). */
export function jwkOfPublicKey(
  key: PublicKey,
): { e: string; kty: 'RSA'; n: string } | { crv: EcCurve; kty: 'EC'; x: string; y: string } {
  return key.type === 'rsa'
    ? { e: encodeBase64url(key.e), kty: 'RSA', n: encodeBase64url(key.n) }
    : { crv: key.curve, kty: 'EC', x: encodeBase64url(key.x), y: encodeBase64url(key.y) };
}

/** Bits of a big-endian number; 0 for zero and for one that is written with a leading zero. */
export function bitLength(number: Uint8Array): number {
  const [first = 0] = number;
  return first === 0 ? 0 : number.length * 8 - Math.clz32(first) + 24;
}
