import { malformed } from './input.js';

/** Reads fixed fields of a structure whose size was compared once: little-endian, as all of TDX and SGX is. */
export class FieldReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  /** @throws {AttestationError} 20 when `bytes` is not `size` long. */
  constructor(bytes: Uint8Array, structure: string, size: number) {
    if (bytes.length !== size) throw malformed(structure, `${bytes.length} instead of ${size} bytes`);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A view of `size` bytes. */
  bytes(offset: number, size: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + size);
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  /** `count` fields of `size` bytes each. */
  list(offset: number, count: number, size: number): Uint8Array[] {
    return Array.from({ length: count }, (_, index) => this.bytes(offset + index * size, size));
  }
}
