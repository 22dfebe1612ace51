import { hash } from 'node:crypto';

/** Of SHA-256: FIPS 180-4. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;

/**
 * HMAC-SHA-256 (RFC 2104) under a key of at most a block. Two hashes of one call each, over buffers that stay and hold the
 * padded key already: `createHmac` makes an object that has to be collected again, and takes four times as long.
 */
export class ChallengeMac {
  readonly #key: Buffer;
  /** The padded key and the message; made anew for a message of another length. */
  #inner: Buffer;
  /** The padded key and the digest of the inner hash. */
  readonly #outer: Buffer;
  readonly #digest = Buffer.alloc(DIGEST_BYTES);

  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new RangeError('the key is longer than a block');
    this.#key = Buffer.from(key);
    this.#inner = padded(this.#key, 0x36, 0);
    this.#outer = padded(this.#key, 0x5c, DIGEST_BYTES);
  }

  /** The digest of a message in two parts, the first of them `headBytes` of `head`. It is good until the next call. */
  digest(head: Buffer, headBytes: number, tail: Buffer): Buffer {
    const size = BLOCK_BYTES + headBytes + tail.length;
    if (this.#inner.length !== size) this.#inner = padded(this.#key, 0x36, size - BLOCK_BYTES);
    head.copy(this.#inner, BLOCK_BYTES, 0, headBytes);
    tail.copy(this.#inner, BLOCK_BYTES + headBytes);
    // As hex: a digest in a buffer of its own takes twice as long.
    this.#outer.write(hash('sha256', this.#inner, 'hex'), BLOCK_BYTES, 'hex');
    this.#digest.write(hash('sha256', this.#outer, 'hex'), 'hex');
    return this.#digest;
  }
}

function padded(key: Buffer, filler: number, more: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES + more);
  for (let at = 0; at < BLOCK_BYTES; at++) block[at] = (key[at] ?? 0) ^ filler;
  return block;
}
