/** Byte arrays in any runtime: no Buffer, no `node:`. */

const tagOf = typedArrayGetter<string | undefined>(Symbol.toStringTag);
const lengthOf = typedArrayGetter<number>('length');

/** A getter of %TypedArray%.prototype: a subclass or an own property may say something else than what is there. */
/* @__NO_SIDE_EFFECTS__ */ export function typedArrayGetter<T>(name: PropertyKey): (this: unknown) => T {
  return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), name)?.get as (
    this: unknown,
  ) => T;
}

/** Whether a value really is a Uint8Array, a Buffer included, of this realm or another one. No getter of its own is asked. */
export function isBytes(value: unknown): value is Uint8Array {
  return tagOf.call(value) === 'Uint8Array';
}

/** The number of bytes as the engine knows it, whatever a subclass says of its `length`. */
export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/**
 * A plain copy: what is checked is what is used, even when the caller's memory is shared or changed meanwhile. Takes the
 * length and the bytes from the array itself, not from what a subclass overrides.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(byteLength(bytes));
  // Memory that was transferred away has no bytes, and cannot be read as none.
  if (copy.length > 0) copy.set(bytes);
  return copy;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares in a time that depends on the lengths only. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let at = 0; at < one.length; at++) difference |= (one[at] as number) ^ (other[at] as number);
  return difference === 0;
}

/** Whether bytes from `start` to `end` are these, of what is public. */
export function holdsAt(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== other[at - start]) return false;
  return true;
}

/** Compares two texts as {@link equalBytes} does their UTF-8. */
export function equalTexts(one: string, other: string): boolean {
  return equalBytes(utf8Bytes(one), utf8Bytes(other));
}

/** The numbers in these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function isZero(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Whether a big-endian number is less than another one of the same length. */
export function isBelow(number: Uint8Array, limit: Uint8Array): boolean {
  for (let at = 0; at < limit.length; at++) {
    const difference = (number[at] as number) - (limit[at] as number);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Shared memory may change while it is read, so that WebCrypto and TextDecoder refuse it: they get a copy. */
export function still(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : copyBytes(bytes);
}

const encoder = /* @__PURE__ */ new TextEncoder();
const strictUtf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenientUtf8 = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/* @__NO_SIDE_EFFECTS__ */ export function utf8Bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Writes UTF-8 of a text over the beginning of bytes that have room for it; how many of them it takes. */
export function encodeInto(text: string, bytes: Uint8Array): number {
  return encoder.encodeInto(text, bytes).written;
}

/** Text of UTF-8 bytes, a byte order mark included; undefined when they are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text of bytes that are meant for a reader: what is not UTF-8 becomes U+FFFD. */
export function readableText(bytes: Uint8Array): string {
  return lenientUtf8.decode(bytes);
}

/** One character a byte, U+0000 to U+00FF: for texts that are ASCII and for PEM. */
export function latin1Text(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    // By `apply`, which takes any list: to spread one costs five times as much.
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096) as unknown as number[]);
  }
  return text;
}

const PIECE = 64;
const pieces: number[][] = [];

/** A text of so many UTF-16 units. Put together character by character it would leave 32 bytes of garbage for each. */
export function textOfUnits(length: number, unitAt: (index: number) => number): string {
  let text = '';
  for (let start = 0; start < length; start += PIECE) {
    const size = Math.min(PIECE, length - start);
    pieces[size] ??= Array(size).fill(0);
    const units = pieces[size];
    for (let at = 0; at < size; at++) units[at] = unitAt(start + at);
    text += String.fromCharCode.apply(null, units);
  }
  return text;
}

/** A whole number from 0 to 2^53 − 1 as big-endian bytes of a fixed size. */
export function bigEndian(value: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}

/** Without leading zeros; zero itself becomes empty. */
export function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length && bytes[at] === 0) at++;
  return bytes.subarray(at);
}
