import type { AttestationError } from '../base/errors.js';
import { malformed } from './input.js';
import { remembering } from './recent-bytes.js';

/**
 * DER (ITU-T X.690 section 10) as far as certificates and revocation lists use it. What has two encodings in BER has one
 * here: definite, shortest lengths; shortest integers; nothing behind a value. All results are views.
 */

/** Universal tags, with the constructed bit where DER sets it. */
export const Tag = /* @__PURE__ */ Object.freeze({
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

/** One element; its views are made when they are asked for, since most of a certificate never is. */
export class DerElement {
  readonly tag: number;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, contentStart: number, end: number) {
    this.tag = bytes[start] ?? 0;
    this.#bytes = bytes;
    this.#start = start;
    this.#contentStart = contentStart;
    this.#end = end;
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(this.#contentStart, this.#end);
  }

  /** Tag, length and content as received. */
  get encoded(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** A reader of the content. */
  reader(structure: string, depth: number): DerReader {
    return new DerReader(this.#bytes, structure, depth, this.#contentStart, this.#end);
  }
}

/** Deeper than any structure that is read here; keeps recursion out of a caller's hands. */
const MAXIMUM_DEPTH = 16;
const HIGH_TAG_NUMBER = 0x1f;

/** Reads the elements of one DER value front to back. Every fault is an `AttestationError` 20 that names the structure. */
export class DerReader {
  readonly structure: string;
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #end: number;
  #at: number;

  /** Of the whole of `bytes`, or of a part of them. */
  constructor(bytes: Uint8Array, structure: string, depth = 0, start = 0, end: number = bytes.length) {
    this.structure = structure;
    if (depth > MAXIMUM_DEPTH) throw this.fault('nested too deep');
    this.#bytes = bytes;
    this.#depth = depth;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** Tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.done ? undefined : this.#bytes[this.#at];
  }

  /** Where the next element begins in the bytes, and the one that was read last ends. */
  get at(): number {
    return this.#at;
  }

  fault(why: string): AttestationError {
    return malformed(this.structure, why);
  }

  /** The next element, whatever it is, or of `tag` alone. */
  read(tag?: number): DerElement {
    const start = this.#at;
    const content = this.#head(tag);
    return new DerElement(this.#bytes, start, content, this.#at);
  }

  /** Passes the next element's head and content; gives where the content begins. It ends where the reader is then. */
  #head(tag: number | undefined): number {
    const bytes = this.#bytes;
    const found = this.nextTag;
    if (found === undefined) throw this.fault('truncated');
    if (tag !== undefined && found !== tag) {
      throw this.fault(`tag 0x${found.toString(16)} instead of 0x${tag.toString(16)}`);
    }
    if ((found & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw this.fault('a tag number above 30');
    let at = this.#at + 1;
    let length = at < this.#end ? (bytes[at++] ?? 0x80) : 0x80;
    if (length > 0x7f) {
      const size = length & 0x7f;
      // 0x80 is the indefinite form of BER; four bytes hold more than any input here.
      if (size === 0 || size > 4) throw this.fault('a length that is indefinite or too large');
      if (size > this.#end - at) throw this.fault('truncated');
      length = 0;
      for (let index = 0; index < size; index++) length = length * 256 + (bytes[at++] ?? 0);
      if (length < 0x80 || length < 256 ** (size - 1)) throw this.fault('a length that is not the shortest');
    }
    if (length > this.#end - at) throw this.fault('truncated');
    this.#at = at + length;
    return at;
  }

  /** Passes the next element, whatever it is, or of `tag` alone; gives its tag. */
  skip(tag?: number): number | undefined {
    const found = this.nextTag;
    this.#head(tag);
    return found;
  }

  /** The content of the next element, which has this tag. */
  content(tag: number): Uint8Array {
    const start = this.#head(tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The next element when it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined;
  }

  /** A reader of the next element's content. */
  enter(tag: number = Tag.SEQUENCE): DerReader {
    const content = this.#head(tag);
    return new DerReader(this.#bytes, this.structure, this.#depth + 1, content, this.#at);
  }

  /** A reader for {@link enterNext}, one level deeper; it has nothing to read yet. */
  level(): DerReader {
    return new DerReader(this.#bytes, this.structure, this.#depth + 1, this.#at, this.#at);
  }

  /** Like {@link enter}, with a reader of {@link level} that is used again: for lists of many elements. */
  enterNext(inner: DerReader, tag: number = Tag.SEQUENCE): void {
    inner.#at = this.#head(tag);
    inner.#end = this.#at;
  }

  enterOptional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined;
  }

  /** A reader of what an element holds, one level deeper. */
  inside(element: DerElement): DerReader {
    return element.reader(this.structure, this.#depth + 1);
  }

  /** Refuses what is left. */
  end(): void {
    if (!this.done) throw this.fault('trailing bytes');
  }

  /** An INTEGER of 0 or more, big-endian without leading zeros (zero is one zero byte), at most `limit` bytes. */
  unsigned(limit: number, tag: number = Tag.INTEGER): Uint8Array {
    const start = this.unsignedStart(limit, tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** An INTEGER (or ENUMERATED) of 0 to `maximum`, which is below 2^32. */
  small(maximum: number, tag: number = Tag.INTEGER): number {
    let value = 0;
    for (let at = this.unsignedStart(4, tag); at < this.#at; at++) value = value * 256 + (this.#bytes[at] ?? 0);
    if (value > maximum) throw this.fault(`an integer above ${maximum}`);
    return value;
  }

  /** Passes what {@link unsigned} gives; where it begins. It ends where the reader is then. */
  unsignedStart(limit: number, tag: number = Tag.INTEGER): number {
    const start = this.#head(tag);
    const size = this.#at - start;
    const first = this.#bytes[start] ?? 0;
    if (size === 0) throw this.fault('an integer without a byte');
    if (first > 0x7f) throw this.fault('a negative integer');
    const isPadded = first === 0 && size > 1;
    if (isPadded && (this.#bytes[start + 1] ?? 0) < 0x80) throw this.fault('an integer that is not the shortest');
    if (size - (isPadded ? 1 : 0) > limit) throw this.fault(`an integer of more than ${limit} bytes`);
    return isPadded ? start + 1 : start;
  }

  /** BOOLEAN. */
  boolean(): boolean {
    const start = this.#head(Tag.BOOLEAN);
    const value = this.#bytes[start];
    if (this.#at - start !== 1 || (value !== 0 && value !== 0xff)) throw this.fault('a boolean that is neither');
    return value === 0xff;
  }

  /** A BIT STRING of whole bytes, as keys and signatures are. */
  octets(): Uint8Array {
    const start = this.#head(Tag.BIT_STRING);
    if (start === this.#at || this.#bytes[start] !== 0) throw this.fault('a bit string that does not end with a byte');
    return this.#bytes.subarray(start + 1, this.#at);
  }

  /** OBJECT IDENTIFIER, dotted. */
  oid(): string {
    const start = this.#head(Tag.OID);
    const bytes = this.#bytes;
    return rememberedOid(bytes, start, this.#at, () => oidText(bytes, start, this.#at, this));
  }
}

/** Size in bytes of the first DER element, for structures that are followed by padding. */
export function firstElementSize(bytes: Uint8Array, structure: string): number {
  return new DerReader(bytes, structure).read().encoded.length;
}

const MAXIMUM_OID_SIZE = 64;

const rememberedOid = remembering<string>(1024);

function oidText(bytes: Uint8Array, start: number, end: number, reader: DerReader): string {
  const last = bytes[end - 1] ?? 0;
  if (start === end || last > 0x7f || end - start > MAXIMUM_OID_SIZE) throw reader.fault('an object identifier');
  let text = '';
  let arc = 0;
  let large = 0n;
  let begins = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (begins && byte === 0x80) throw reader.fault('an object identifier that is not the shortest');
    // Arcs of UUIDs (2.25) have 128 bits; all others stay numbers.
    if (large > 0n || arc > 0xff_ffff) {
      large = (large > 0n ? large : BigInt(arc)) * 128n + BigInt(byte & 0x7f);
    } else {
      arc = arc * 128 + (byte & 0x7f);
    }
    begins = byte < 0x80;
    if (!begins) continue;
    if (text === '') {
      const first = large > 0n ? 2 : Math.min(2, Math.floor(arc / 40));
      text = large > 0n ? `2.${large - 80n}` : `${first}.${arc - first * 40}`;
    } else {
      text += `.${large > 0n ? large : arc}`;
    }
    arc = 0;
    large = 0n;
  }
  return text;
}
