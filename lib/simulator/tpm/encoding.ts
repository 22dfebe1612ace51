/** Writes TPM 2.0 structures: big-endian integers and TPM2B buffers (TPM 2.0 Library, Part 2). */
export class TpmWriter {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value));
  }

  u16(value: number): this {
    const bytes = Buffer.allocUnsafe(2);
    bytes.writeUInt16BE(value);
    return this.bytes(bytes);
  }

  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(value >>> 0);
    return this.bytes(bytes);
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value));
    return this;
  }

  /** A TPM2B: 2-byte size, then the bytes. */
  sized(value: Uint8Array): this {
    return this.u16(value.length).bytes(value);
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads TPM 2.0 structures; whatever reaches past the end throws a RangeError. */
export class TpmReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.bytes(1).readUInt8();
  }

  u16(): number {
    return this.bytes(2).readUInt16BE();
  }

  u32(): number {
    return this.bytes(4).readUInt32BE();
  }

  u64(): bigint {
    return this.bytes(8).readBigUInt64BE();
  }

  bytes(length: number): Buffer {
    if (length > this.remaining) throw new RangeError(`structure is ${length - this.remaining} bytes too short`);
    const start = this.#offset;
    this.#offset += length;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A TPM2B without its size. */
  sized(): Buffer {
    return this.bytes(this.u16());
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) throw new RangeError(`structure has ${this.remaining} trailing bytes`);
  }
}
