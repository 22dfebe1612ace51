import { bigEndian, concatBytes } from './bytes.js';
import { highWords, rootFractions } from './sha-constants.js';
import { sha1Blocks, sha256Blocks } from './sha256-blocks.js';
import { sha512Blocks } from './sha512-blocks.js';

/** Hash functions of the structures that this package verifies. */
export type HashName = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';

interface Hash {
  readonly digestBytes: number;
  readonly blockBytes: 64 | 128;
  readonly compress: (state: Int32Array, blocks: Uint8Array) => void;
  /** FIPS 180-4 section 5.3, as 32-bit words. */
  readonly initial: () => Int32Array;
}

/* @__NO_SIDE_EFFECTS__ */ function hashOf(
  digestBytes: Hash['digestBytes'],
  blockBytes: Hash['blockBytes'],
  compress: Hash['compress'],
  initial: Hash['initial'],
): Hash {
  return { digestBytes, blockBytes, compress, initial };
}

export const HASHES: Readonly<Record<HashName, Hash>> = {
  'SHA-1': hashOf(20, 64, sha1Blocks, () => Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)),
  'SHA-256': hashOf(32, 64, sha256Blocks, () => highWords(rootFractions(2, 0, 8))),
  'SHA-384': hashOf(48, 128, sha512Blocks, () => rootFractions(2, 8, 16)),
  'SHA-512': hashOf(64, 128, sha512Blocks, () => rootFractions(2, 0, 8)),
};

const initial: Partial<Record<HashName, Int32Array>> = {};

/**
 * Digest of bytes, synchronous in any runtime (WebCrypto's is not): event logs and small structures are hashed with it.
 *
 * Source: FIPS 180-4.
 */
export function sha2(hash: HashName, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const { digestBytes, blockBytes, compress } = HASHES[hash];
  initial[hash] ??= HASHES[hash].initial();
  const state = initial[hash].slice();
  const whole = data.length - (data.length % blockBytes);
  compress(state, data.subarray(0, whole));
  compress(state, lastBlocks(data.subarray(whole), data.length, blockBytes));
  const digest = new Uint8Array(digestBytes);
  const view = new DataView(digest.buffer);
  for (let word = 0; word < digest.length / 4; word++) view.setInt32(4 * word, state[word] as number);
  return digest;
}

/** What is left over, a one bit, zeros, and the length in bits (FIPS 180-4 section 5.1). */
function lastBlocks(rest: Uint8Array, length: number, block: number): Uint8Array {
  const lengthBytes = block / 8;
  const padded = new Uint8Array(rest.length + 1 + lengthBytes > block ? 2 * block : block);
  padded.set(rest);
  padded[rest.length] = 0x80;
  padded.set(bigEndian(length * 8, 8), padded.length - 8);
  return padded;
}

/** HMAC (RFC 2104) over the same functions. */
export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const block = HASHES[hash].blockBytes;
  const padded = new Uint8Array(block);
  padded.set(key.length > block ? sha2(hash, key) : key);
  const inner = sha2(
    hash,
    concatBytes(
      padded.map((byte) => byte ^ 0x36),
      data,
    ),
  );
  return sha2(
    hash,
    concatBytes(
      padded.map((byte) => byte ^ 0x5c),
      inner,
    ),
  );
}
