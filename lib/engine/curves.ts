import { isBelow, isZero } from '../base/bytes.js';
import { bytesFromHex, hex } from '../base/hex.js';
import type { EcCurve } from './engine.js';

/** The curves of FIPS 186-5 / SP 800-186 section 3.2.1 that the structures use. All have a = −3 and cofactor 1. */
interface Curve {
  /** Bytes of a coordinate. */
  readonly size: number;
  readonly p: bigint;
  readonly b: bigint;
  /** Order of the group, big-endian, as long as a coordinate. */
  readonly order: Uint8Array;
}

export const CURVES: Readonly<Record<EcCurve, Curve>> = {
  'P-256': curve(
    32,
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  ),
  'P-384': curve(
    48,
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ),
  'P-521': curve(
    66,
    2n ** 521n - 1n,
    0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
  ),
};

/* @__NO_SIDE_EFFECTS__ */ function curve(size: number, p: bigint, b: bigint, order: string): Curve {
  return { size, p, b, order: bytesFromHex(order) as Uint8Array };
}

/** Whether y² = x³ − 3x + b, both coordinates below p. With a cofactor of 1 every such point has the right order. */
export function isOnCurve(name: EcCurve, xBytes: Uint8Array, yBytes: Uint8Array): boolean {
  const { p, b } = CURVES[name];
  const x = BigInt(`0x${hex(xBytes)}`);
  const y = BigInt(`0x${hex(yBytes)}`);
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;
}

/** Whether a big-endian number as long as the order lies in 1 … order − 1. */
export function isScalar(name: EcCurve, number: Uint8Array): boolean {
  const { order } = CURVES[name];
  return !isZero(number) && isBelow(number, order);
}
