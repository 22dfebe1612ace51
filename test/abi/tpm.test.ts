import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseTpm2bPublic, parseTpmsAttest } from '../../lib/index.js';

const refusal = expect.objectContaining({ name: 'AttestationError', code: 20 });

const uint = (value: number | bigint, size: number): Buffer =>
  Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(2 * size, '0'),
    'hex',
  );
const sized = (size: number, fill: number): Buffer => Buffer.concat([uint(size, 2), Buffer.alloc(size, fill)]);

const head = (type: number): Buffer =>
  Buffer.concat([
    uint(0xff544347, 4),
    uint(type, 2),
    sized(34, 1),
    sized(9, 2),
    uint(0x0102030405060708n, 8),
    uint(3, 4),
    uint(4, 4),
    uint(1, 1),
    uint(0x2020031200120003n, 8),
  ]);
const selection = (bitmap: number[]): Buffer =>
  Buffer.concat([uint(1, 4), uint(0x0b, 2), uint(bitmap.length, 1), Buffer.from(bitmap)]);
const QUOTE = Buffer.concat([head(0x8018), selection([0x81, 0, 0x80]), sized(32, 3)]);
const CERTIFICATION = Buffer.concat([head(0x8017), sized(34, 4), sized(34, 5)]);

function publicArea({ scheme = 0x10, nameAlg = 0x0b, keyBits = 2048, type = 1 } = {}): Buffer {
  const hash = scheme === 0x10 || scheme === 0x15 ? [] : [uint(0x0b, 2)];
  const area = Buffer.concat([
    uint(type, 2),
    uint(nameAlg, 2),
    uint(0x00050472, 4),
    sized(0, 0),
    uint(0x10, 2),
    uint(scheme, 2),
    ...hash,
    uint(keyBits, 2),
    uint(0, 4),
    sized(256, 0xc3),
  ]);
  return Buffer.concat([uint(area.length, 2), area]);
}

describe('parseTpmsAttest', () => {
  it('reads a quote', () => {
    expect(parseTpmsAttest(QUOTE)).toEqual({
      magic: 0xff544347,
      type: 0x8018,
      qualifiedSigner: new Uint8Array(34).fill(1),
      extraData: new Uint8Array(9).fill(2),
      clock: 0x0102030405060708n,
      resetCount: 3,
      restartCount: 4,
      safe: true,
      firmwareVersion: 0x2020031200120003n,
      quote: { pcrSelections: [{ hash: 0x0b, pcrs: [0, 7, 23] }], pcrDigest: new Uint8Array(32).fill(3) },
    });
  });

  it('reads a certification', () => {
    expect(parseTpmsAttest(CERTIFICATION).certify).toEqual({
      name: new Uint8Array(34).fill(4),
      qualifiedName: new Uint8Array(34).fill(5),
    });
  });

  it.each([
    ['a quote', QUOTE],
    ['a certification', CERTIFICATION],
  ])('refuses every prefix of %s, and bytes after it', (_, bytes) => {
    for (let size = 1; size < bytes.length; size++) {
      expect(() => parseTpmsAttest(bytes.subarray(0, size))).toThrow(refusal);
    }
    expect(() => parseTpmsAttest(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(refusal);
  });

  it.each([
    ['4294967295 banks', Buffer.concat([head(0x8018), uint(0xffffffff, 4)])],
    ['a bitmap of five bytes', Buffer.concat([head(0x8018), selection([0, 0, 0, 0, 0]), sized(32, 0)])],
    ['a digest of 65 bytes', Buffer.concat([head(0x8018), selection([1]), sized(65, 0)])],
  ])('refuses %s before anything is kept', (_, bytes) => {
    expect(() => parseTpmsAttest(bytes)).toThrow(refusal);
  });
});

describe('parseTpm2bPublic', () => {
  it.each([0x10, 0x14, 0x15, 0x17])('reads an RSA key with scheme %i', (scheme) => {
    const bytes = publicArea({ scheme });
    const key = parseTpm2bPublic(bytes);
    expect(key).toMatchObject({ keyBits: 2048, exponent: 65537, scheme });
    const digest = createHash('sha256').update(bytes.subarray(2)).digest();
    expect(Buffer.from(key.name)).toEqual(Buffer.concat([Buffer.of(0, 0x0b), digest]));
    for (let size = 1; size < bytes.length; size++) {
      expect(() => parseTpm2bPublic(bytes.subarray(0, size))).toThrow(refusal);
    }
  });

  it.each([
    ['a key on a curve', publicArea({ type: 0x23 })],
    ['a modulus without keyBits', publicArea({ keyBits: 4096 })],
    ['an unknown name algorithm', publicArea({ nameAlg: 0x12 })],
    ['bytes after it', Buffer.concat([publicArea(), Buffer.of(0)])],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseTpm2bPublic(bytes)).toThrow(refusal);
  });
});
