import { createCipheriv } from 'node:crypto';

// What an AES-256-GCM key looks like in memory: as itself, as round keys, and as the hash key of GHASH. Each lets whoever
// finds it decrypt, or forge.

/** The substitution of FIPS 197 section 5.1.1: the inverse in GF(2^8), then the affine map. */
const SBOX = (() => {
  const box = Buffer.alloc(256);
  const rotate = (value: number, by: number) => ((value << by) | (value >> (8 - by))) & 0xff;
  // 3 generates the multiplicative group, and q runs through the inverses of p.
  for (let p = 1, q = 1, first = true; first || p !== 1; first = false) {
    p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff;
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    q &= 0xff;
    if (q & 0x80) q ^= 0x09;
    box[p] = q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63;
  }
  box[0] = 0x63;
  return box;
})();

/** The 15 round keys of a 32-byte key, 16 bytes each (FIPS 197 section 5.2). */
export function roundKeys(key: Buffer): Buffer[] {
  const words: number[] = Array.from({ length: 8 }, (_, i) => key.readUInt32BE(4 * i));
  const substitute = (word: number) =>
    [24, 16, 8, 0].reduce((result, shift) => result | ((SBOX[(word >>> shift) & 0xff] ?? 0) << shift), 0);
  for (let i = 8, round = 1; i < 60; i++) {
    let word = words[i - 1] ?? 0;
    if (i % 8 === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (round << 24);
      round <<= 1;
    } else if (i % 8 === 4) {
      word = substitute(word);
    }
    words.push(word ^ (words[i - 8] ?? 0));
  }
  const schedule = Buffer.alloc(240);
  for (const [i, word] of words.entries()) schedule.writeUInt32BE(word >>> 0, 4 * i);
  return Array.from({ length: 15 }, (_, i) => schedule.subarray(16 * i, 16 * i + 16));
}

/** The hash key H = E(0) of GHASH (SP 800-38D section 6.4) as it may lie in memory. */
export function hashKeyForms(key: Buffer): Record<string, Buffer> {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const h = cipher.update(Buffer.alloc(16));
  // As two 64-bit numbers of the machine's own byte order.
  const [high, low] = [h.readBigUInt64BE(0), h.readBigUInt64BE(8)];
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64LE(high, 0);
  numbers.writeBigUInt64LE(low, 8);
  // Times x, as one 128-bit number: the form that carry-less multiplication wants (Gueron and Kounavis).
  const doubled = ((high << 64n) | low) << 1n;
  const reduced = doubled >> 128n === 0n ? doubled : (doubled & ((1n << 128n) - 1n)) ^ ((0xc2n << 120n) | 1n);
  const twisted = Buffer.alloc(16);
  twisted.writeBigUInt64LE(reduced & 0xffffffffffffffffn, 0);
  twisted.writeBigUInt64LE(reduced >> 64n, 8);
  return { H: h, 'H as numbers': numbers, 'H times x': twisted };
}

/** Every form of a key of 32 bytes, in pieces of 16: a register that was put on a stack holds no more. */
export function keyForms(name: string, key: Buffer): Record<string, Buffer> {
  const rounds = roundKeys(key);
  return {
    [`${name}, first half`]: key.subarray(0, 16),
    [`${name}, second half`]: key.subarray(16),
    [`${name}, round key 7`]: rounds[7] as Buffer,
    [`${name}, last round key`]: rounds[14] as Buffer,
    ...Object.fromEntries(Object.entries(hashKeyForms(key)).map(([form, bytes]) => [`${name}, ${form}`, bytes])),
  };
}
