import { HASHES, sha2 } from './sha2.js';

const { blockBytes, digestBytes, compress, initial } = HASHES['SHA-256'];
/** What follows a message in its last block, at least: a one bit, and the length in bits (FIPS 180-4 section 5.1). */
const PADDING_BYTES = 9;

/**
 * HMAC-SHA-256 (RFC 2104) under a key that stays. The two blocks of the padded key are compressed once, and the blocks of a
 * message are kept for the next one of its length. A short message takes 1.5 µs, with node:crypto 2.5; after a wait in which the
 * processor's caches were used by others 2 to 3 µs, with node:crypto 9.
 */
export class HmacKey {
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;
  readonly #state = new Int32Array(8);
  #message = paddedBlocks(0);
  readonly #digest = paddedBlocks(digestBytes);

  constructor(key: Uint8Array) {
    const padded = new Uint8Array(blockBytes);
    padded.set(key.length > blockBytes ? sha2('SHA-256', key) : key);
    const stateOf = (filler: number): Int32Array => {
      const state = initial().slice();
      compress(
        state,
        padded.map((byte) => byte ^ filler),
      );
      return state;
    };
    this.#inner = stateOf(0x36);
    this.#outer = stateOf(0x5c);
  }

  digest(message: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#message.length !== message.length) this.#message = paddedBlocks(message.length);
    this.#compress(this.#inner, this.#message, message);
    const digest = new Uint8Array(digestBytes);
    this.#write(digest);
    this.#compress(this.#outer, this.#digest, digest);
    this.#write(digest);
    return digest;
  }

  /** By loops, here and below: for so few bytes each call of `set` or `setInt32` takes longer. */
  #compress(known: Int32Array, { blocks }: PaddedBlocks, message: Uint8Array): void {
    for (let word = 0; word < known.length; word++) this.#state[word] = known[word] as number;
    for (let at = 0; at < message.length; at++) blocks[at] = message[at] as number;
    compress(this.#state, blocks);
  }

  #write(digest: Uint8Array): void {
    for (let at = 0; at < digestBytes; at++) digest[at] = (this.#state[at >> 2] as number) >> (24 - 8 * (at & 3));
  }
}

/** Room for a message of `length` bytes, with the padding that such a one has behind a block of the key. */
interface PaddedBlocks {
  readonly length: number;
  readonly blocks: Uint8Array;
}

function paddedBlocks(length: number): PaddedBlocks {
  const blocks = new Uint8Array(Math.ceil((length + PADDING_BYTES) / blockBytes) * blockBytes);
  blocks[length] = 0x80;
  new DataView(blocks.buffer).setBigUint64(blocks.length - 8, BigInt(blockBytes + length) * 8n);
  return { length, blocks };
}
