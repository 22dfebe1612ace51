import { malformed } from './input.js';

/** Reads fixed fields of a structure whose size was compared once: little-endian, as all of TDX and SGX is. */
export class FieldReader {
  readonly #bytes: Uint8Array;

  /** @throws {AttestationError} 20 when `bytes` is not `size` long. */
  constructor(bytes: Uint8Array, structure: string, size: number) {
    if (bytes.length !== size) throw malformed(structure, `${bytes.length} instead of ${size} bytes`);
    this.#bytes = bytes;
  }

  /** A view of `size` bytes. */
  bytes(offset: number, size: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + size);
  }

  u8(offset: number): number {
    return this.#bytes[offset] as number;
  }

  u16(offset: number): number {
    return this.u8(offset) | (this.u8(offset + 1) << 8);
  }

  u32(offset: number): number {
    return (this.u16(offset) | (this.u16(offset + 2) << 16)) >>> 0;
  }

  /** `count` fields of `size` bytes each. */
  list(offset: number, count: number, size: number): Uint8Array[] {
    const fields: Uint8Array[] = [];
    for (let at = offset; fields.length < count; at += size) fields.push(this.bytes(at, size));
    return fields;
  }
}
