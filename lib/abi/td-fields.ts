import { malformed } from './input.js';

/** Which TDX module it is: alike in TD reports and TD quotes, as are the fields of {@link readTdInfo}. */
export function readModule(reader: FieldReader) {
  return {
    teeTcbSvn: reader.bytes(16),
    mrseam: reader.bytes(48),
    mrsignerseam: reader.bytes(48),
    seamAttributes: reader.bytes(8),
  };
}

/** Which TD it is. */
export function readTdInfo(reader: FieldReader) {
  return {
    tdAttributes: reader.bytes(8),
    xfam: reader.bytes(8),
    mrtd: reader.bytes(48),
    mrconfigid: reader.bytes(48),
    mrowner: reader.bytes(48),
    mrownerconfig: reader.bytes(48),
    rtmrs: reader.list(4, 48),
  };
}

/** Reads a structure front to back: little-endian, as all of TDX and SGX is. Bytes are views. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #structure: string;
  #at = 0;

  constructor(bytes: Uint8Array, structure: string) {
    this.#bytes = bytes;
    this.#structure = structure;
  }

  /** Where the next field begins. */
  get position(): number {
    return this.#at;
  }

  /** Goes on at an offset. */
  at(offset: number): this {
    this.#at = offset;
    return this;
  }

  /** @throws {AttestationError} 20 when fewer are left. */
  bytes(size: number): Uint8Array {
    return this.#bytes.subarray(this.#pass(size), this.#at);
  }

  /** An unsigned number of `size` bytes. */
  number(size: number): number {
    const start = this.#pass(size);
    let value = 0;
    for (let at = this.#at - 1; at >= start; at--) value = value * 256 + (this.#bytes[at] as number);
    return value;
  }

  #pass(size: number): number {
    const start = this.#at;
    const left = this.#bytes.length - start;
    if (size > left) throw malformed(this.#structure, `truncated: ${size} bytes where ${left} are left`);
    this.#at += size;
    return start;
  }

  /** Bytes behind their number, which takes `size` bytes. */
  sized(size: number): Uint8Array {
    return this.bytes(this.number(size));
  }

  /** `count` fields of `size` bytes each. */
  list(count: number, size: number): Uint8Array[] {
    const fields: Uint8Array[] = [];
    while (fields.length < count) fields.push(this.bytes(size));
    return fields;
  }

  /** @throws {AttestationError} 20 unless everything was read. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw malformed(this.#structure, `${left} bytes too many`);
  }
}
