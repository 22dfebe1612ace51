import { viewOf } from '../../base/bytes.js';
/**
 * Reads little-endian fields one after the other. Past the end there are zeros and empty bytes, and `failed` is true from then
 * on: whoever reads a structure looks at that once, at its end.
 */
export class LogReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(size: number): Uint8Array {
    if (!this.#has(size)) return this.#bytes.subarray(this.#at);
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  u16(): number {
    return this.#has(2) ? this.#view.getUint16(this.#at - 2, true) : 0;
  }

  u32(): number {
    return this.#has(4) ? this.#view.getUint32(this.#at - 4, true) : 0;
  }

  /** A UINT64 that counts what follows. */
  u64(): number {
    return this.#has(8) ? Number(this.#view.getBigUint64(this.#at - 8, true)) : 0;
  }

  #has(size: number): boolean {
    const isThere = size >= 0 && size <= this.left;
    if (!isThere) this.failed = true;
    this.#at = isThere ? this.#at + size : this.#bytes.length;
    return isThere;
  }
}
