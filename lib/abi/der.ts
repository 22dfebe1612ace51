import { holdsAt } from '../base/bytes.js';
import type { AttestationError } from '../base/errors.js';
import { hexNumber } from '../base/hex.js';
import { BIT_STRING, BOOLEAN, INTEGER, OID, SEQUENCE } from './der-tags.js';
import { malformed } from './input.js';
import { recently } from './recent-bytes.js';

/**
 * DER (ITU-T X.690 section 10) as far as certificates and revocation lists use it. What has two encodings in BER has one
 * here: definite, shortest lengths; shortest integers; nothing behind a value. All results are views.
 */

/** Deeper than any structure that is read here; keeps recursion out of a caller's hands. */
const MAXIMUM_DEPTH = 16;
const HIGH_TAG_NUMBER = 0x1f;

/** Reads the elements of one DER value front to back. Every fault is an `AttestationError` 20 that names the structure. */
export class DerReader {
  readonly structure: string;
  readonly bytes: Uint8Array;
  readonly #depth: number;
  #end: number;
  #at: number;

  /** Of the whole of `bytes`, or of a part of them. */
  constructor(bytes: Uint8Array, structure: string, depth = 0, start = 0, end: number = bytes.length) {
    this.structure = structure;
    if (depth > MAXIMUM_DEPTH) throw this.fault('nested too deep');
    this.bytes = bytes;
    this.#depth = depth;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** Tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.done ? undefined : this.bytes[this.#at];
  }

  /** Where the next element begins in the bytes, and the one that was read last ends. */
  get at(): number {
    return this.#at;
  }

  fault(why: string): AttestationError {
    return malformed(this.structure, why);
  }

  /** Passes the next element, whatever it is, or of `tag` alone; gives where its content begins. It ends at {@link at}. */
  pass(tag?: number): number {
    const { bytes } = this;
    const found = this.nextTag;
    if (found === undefined) throw this.fault('truncated');
    if (tag !== undefined && found !== tag) {
      throw this.fault(`tag ${hexNumber(found)} instead of ${hexNumber(tag)}`);
    }
    if ((found & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw this.fault('a tag number above 30');
    let at = this.#at + 1;
    let length = at < this.#end ? (bytes[at++] ?? 0x80) : 0x80;
    if (length > 0x7f) {
      const size = length & 0x7f;
      // 0x80 is the indefinite form of BER; four bytes hold more than any input here.
      if (size === 0 || size > 4) throw this.fault('a length');
      if (size > this.#end - at) throw this.fault('truncated');
      length = 0;
      for (let index = 0; index < size; index++) length = length * 256 + (bytes[at++] ?? 0);
      if (length < 0x80 || bytes[at - size] === 0) throw this.fault('a padded length');
    }
    if (length > this.#end - at) throw this.fault('truncated');
    this.#at = at + length;
    return at;
  }

  /** Passes the next element if it is this one. */
  passes(encoded: Uint8Array): boolean {
    const end = this.#at + encoded.length;
    const found = end <= this.#end && holdsAt(this.bytes, this.#at, end, encoded);
    if (found) this.#at = end;
    return found;
  }

  /** Refuses all but one element that is left, and stays before it. */
  single(): this {
    const start = this.#at;
    this.pass();
    this.end();
    this.#at = start;
    return this;
  }

  /** The content of the next element, whatever it is, or of `tag` alone. */
  content(tag?: number): Uint8Array {
    const start = this.pass(tag);
    return this.bytes.subarray(start, this.#at);
  }

  /** Tag, length and content of the next element, as received. */
  encoded(): Uint8Array {
    const start = this.#at;
    this.pass();
    return this.bytes.subarray(start, this.#at);
  }

  /** A reader of the next element's content. */
  enter(tag: number = SEQUENCE): DerReader {
    const content = this.pass(tag);
    return new DerReader(this.bytes, this.structure, this.#depth + 1, content, this.#at);
  }

  /** A reader for {@link enterNext}, one level deeper; it has nothing to read yet. */
  level(): DerReader {
    return new DerReader(this.bytes, this.structure, this.#depth + 1, this.#at, this.#at);
  }

  /** Like {@link enter}, with a reader of {@link level} that is used again: for lists of many elements. */
  enterNext(inner: DerReader, tag: number = SEQUENCE): void {
    inner.#at = this.pass(tag);
    inner.#end = this.#at;
  }

  enterOptional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined;
  }

  /** Refuses what is left. */
  end(): void {
    if (!this.done) throw this.fault('trailing bytes');
  }

  /** An INTEGER of 0 or more, big-endian without leading zeros (zero is one zero byte), at most `limit` bytes. */
  unsigned(limit: number, tag: number = INTEGER): Uint8Array {
    const start = this.unsignedStart(limit, tag);
    return this.bytes.subarray(start, this.#at);
  }

  /** An INTEGER (or ENUMERATED) of 0 to `maximum`, which is below 2^32. */
  small(maximum: number, tag: number = INTEGER): number {
    let value = 0;
    for (let at = this.unsignedStart(4, tag); at < this.#at; at++) value = value * 256 + (this.bytes[at] ?? 0);
    if (value > maximum) throw this.fault(`an integer above ${maximum}`);
    return value;
  }

  /** Passes what {@link unsigned} gives; where it begins. It ends where the reader is then. */
  unsignedStart(limit: number, tag: number = INTEGER): number {
    const start = this.pass(tag);
    const size = this.#at - start;
    const first = this.bytes[start] ?? 0;
    if (size === 0) throw this.fault('an integer without a byte');
    if (first > 0x7f) throw this.fault('a negative integer');
    const isPadded = first === 0 && size > 1;
    if (isPadded && (this.bytes[start + 1] ?? 0) < 0x80) throw this.fault('a padded integer');
    if (size - (isPadded ? 1 : 0) > limit) throw this.fault(`an integer of more than ${limit} bytes`);
    return isPadded ? start + 1 : start;
  }

  /** BOOLEAN. */
  boolean(): boolean {
    const start = this.pass(BOOLEAN);
    const value = this.bytes[start];
    if (this.#at - start !== 1 || (value !== 0 && value !== 0xff)) throw this.fault('a boolean');
    return value === 0xff;
  }

  /** A BIT STRING of whole bytes, as keys and signatures are. */
  octets(): Uint8Array {
    const start = this.pass(BIT_STRING);
    if (start === this.#at || this.bytes[start] !== 0) throw this.fault('unused bits');
    return this.bytes.subarray(start + 1, this.#at);
  }

  /** OBJECT IDENTIFIER, dotted. */
  oid(): string {
    const start = this.pass(OID);
    return readOid(this.bytes, this.structure, start, this.#at);
  }
}

/** Size in bytes of the first DER element, for structures that are followed by padding. */
export function firstElementSize(bytes: Uint8Array, structure: string): number {
  return new DerReader(bytes, structure).encoded().length;
}

const MAXIMUM_OID_SIZE = 64;

const readOid = recently(1024, (bytes, structure, start, end) => {
  const last = bytes[end - 1] ?? 0;
  if (start === end || last > 0x7f || end - start > MAXIMUM_OID_SIZE)
    throw malformed(structure, 'an object identifier');
  let text = '';
  // Arcs of UUIDs (2.25) have 128 bits.
  let arc = 0n;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (arc === 0n && byte === 0x80) throw malformed(structure, 'a padded object identifier');
    arc = arc * 128n + BigInt(byte & 0x7f);
    if (byte > 0x7f) continue;
    const first = arc < 80n ? arc / 40n : 2n;
    text = text === '' ? `${first}.${arc - first * 40n}` : `${text}.${arc}`;
    arc = 0n;
  }
  return text;
});
