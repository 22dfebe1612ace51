import type { AttestationError } from '../base/errors.js';
import { malformed } from './input.js';

/**
 * DER (ITU-T X.690 section 10) as far as certificates and revocation lists use it. What has two encodings in BER has one
 * here: definite, shortest lengths; shortest integers; nothing behind a value. All results are views.
 */

/** Universal tags, with the constructed bit where DER sets it. */
export const Tag = Object.freeze({
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  NUMERIC_STRING: 0x12,
  PRINTABLE_STRING: 0x13,
  TELETEX_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
});

/** Tag `[number]`, for numbers 0 to 30. */
export function contextTag(number: number, form: 'constructed' | 'primitive'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content as received. */
  readonly encoded: Uint8Array;
}

/** Deeper than any structure that is read here; keeps recursion out of a caller's hands. */
const MAXIMUM_DEPTH = 16;
const HIGH_TAG_NUMBER = 0x1f;

/** Reads the elements of one DER value front to back. Every fault is an `AttestationError` 20 that names the structure. */
export class DerReader {
  readonly structure: string;
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #at = 0;

  constructor(bytes: Uint8Array, structure: string, depth = 0) {
    this.structure = structure;
    if (depth > MAXIMUM_DEPTH) throw this.fault('nested too deep');
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  fault(why: string): AttestationError {
    return malformed(this.structure, why);
  }

  /** The next element, whatever it is, or of `tag` alone. */
  read(tag?: number): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    if (found === undefined) throw this.fault('truncated');
    if (tag !== undefined && found !== tag)
      throw this.fault(`tag 0x${found.toString(16)} instead of 0x${tag.toString(16)}`);
    if ((found & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw this.fault('a tag number above 30');
    let at = start + 1;
    let length = bytes[at++] ?? 0x80;
    if (length > 0x7f) {
      const size = length & 0x7f;
      // 0x80 is the indefinite form of BER; four bytes hold more than any input here.
      if (size === 0 || size > 4) throw this.fault('a length that is indefinite or too large');
      length = 0;
      for (let index = 0; index < size; index++) length = length * 256 + (bytes[at++] ?? 0);
      if (length < 0x80 || length < 256 ** (size - 1)) throw this.fault('a length that is not the shortest');
    }
    if (length > bytes.length - at) throw this.fault('truncated');
    this.#at = at + length;
    return { tag: found, content: bytes.subarray(at, this.#at), encoded: bytes.subarray(start, this.#at) };
  }

  /** The next element when it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined;
  }

  /** A reader of the next element's content. */
  enter(tag: number = Tag.SEQUENCE): DerReader {
    return this.inside(this.read(tag));
  }

  enterOptional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined;
  }

  /** A reader of what an element holds, one level deeper. */
  inside(element: DerElement): DerReader {
    return new DerReader(element.content, this.structure, this.#depth + 1);
  }

  /** Refuses what is left. */
  end(): void {
    if (!this.done) throw this.fault('trailing bytes');
  }

  /** An INTEGER of 0 or more, big-endian without leading zeros (zero is one zero byte), at most `limit` bytes. */
  unsigned(limit: number, tag: number = Tag.INTEGER): Uint8Array {
    const { content } = this.read(tag);
    const [first, second] = content;
    if (first === undefined) throw this.fault('an integer without a byte');
    if (first > 0x7f) throw this.fault('a negative integer');
    if (first === 0 && second !== undefined && second < 0x80) throw this.fault('an integer that is not the shortest');
    const value = first === 0 && second !== undefined ? content.subarray(1) : content;
    if (value.length > limit) throw this.fault(`an integer of more than ${limit} bytes`);
    return value;
  }

  /** An INTEGER (or ENUMERATED) of 0 to `maximum`, which is below 2^32. */
  small(maximum: number, tag: number = Tag.INTEGER): number {
    const value = this.unsigned(4, tag).reduce((sum, byte) => sum * 256 + byte, 0);
    if (value > maximum) throw this.fault(`an integer above ${maximum}`);
    return value;
  }

  /** BOOLEAN. */
  boolean(): boolean {
    const { content } = this.read(Tag.BOOLEAN);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
      throw this.fault('a boolean that is neither');
    return content[0] === 0xff;
  }

  /** A BIT STRING of whole bytes, as keys and signatures are. */
  octets(): Uint8Array {
    const { content } = this.read(Tag.BIT_STRING);
    if (content[0] !== 0) throw this.fault('a bit string that does not end with a byte');
    return content.subarray(1);
  }

  /** OBJECT IDENTIFIER, dotted. */
  oid(): string {
    return oidText(this.read(Tag.OID).content, this);
  }
}

/** Size in bytes of the first DER element, for structures that are followed by padding. */
export function firstElementSize(bytes: Uint8Array, structure: string): number {
  return new DerReader(bytes, structure).read().encoded.length;
}

const MAXIMUM_OID_SIZE = 64;

function oidText(content: Uint8Array, reader: DerReader): string {
  const last = content[content.length - 1];
  if (last === undefined || last > 0x7f || content.length > MAXIMUM_OID_SIZE)
    throw reader.fault('an object identifier');
  let text = '';
  let arc = 0n;
  let small = 0;
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw reader.fault('an object identifier that is not the shortest');
    // Arcs of UUIDs (2.25) have 128 bits; all others stay numbers.
    if (small > 0xff_ffff || arc > 0n) {
      arc = (arc > 0n ? arc : BigInt(small)) * 128n + BigInt(byte & 0x7f);
    } else {
      small = small * 128 + (byte & 0x7f);
    }
    begins = byte < 0x80;
    if (!begins) continue;
    const value = arc > 0n ? arc : BigInt(small);
    if (text === '') {
      const first = value < 80n ? Number(value / 40n) : 2;
      text = `${first}.${value - BigInt(first * 40)}`;
    } else {
      text += `.${value}`;
    }
    arc = 0n;
    small = 0;
  }
  return text;
}
