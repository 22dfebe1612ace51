import { utf8Bytes } from './bytes.js';

/**
 * The one base64 codec (RFC 4648). Decoding is strict: one text for one value, so that no two readers of a document see
 * different bytes. Refused are characters outside the alphabet (blanks and line ends included), a length that no bytes
 * have, bits after the last byte that are not zero, and padding where the form has none or where it is missing.
 */

const URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const STANDARD_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** What a character that is not of the alphabet counts as: more than any six bits. */
const INVALID = 0xff;

const URL_VALUES = valuesOf(URL_ALPHABET);
const STANDARD_VALUES = valuesOf(STANDARD_ALPHABET);

/** Six bits for each character of an alphabet, by its UTF-8 byte. */
/* @__NO_SIDE_EFFECTS__ */ function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(256).fill(INVALID);
  for (let value = 0; value < 64; value++) values[alphabet.charCodeAt(value)] = value;
  return values;
}

/** Base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  return encode(bytes, URL_ALPHABET);
}

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encode(bytes, STANDARD_ALPHABET);
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

/** Bytes of base64url without padding; undefined for anything else. */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const codes = utf8Bytes(text);
  return decode(codes, 0, codes.length, URL_VALUES);
}

/** Bytes of base64 with padding, as text or as its ASCII; undefined for anything else. */
export function decodeBase64(text: string | Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const codes = typeof text === 'string' ? utf8Bytes(text) : text;
  return decode(codes, 0, codes.length, STANDARD_VALUES);
}

/** The same of ASCII from `start` to `end` with blanks and line ends anywhere, as PEM has it. */
export function decodeBase64Lines(codes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> | undefined {
  return decode(codes, start, end, STANDARD_VALUES, true);
}

function encode(bytes: Uint8Array, alphabet: string): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const group = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += alphabet[group >>> 18];
    text += alphabet[(group >>> 12) & 63];
    if (left > 1) text += alphabet[(group >>> 6) & 63];
    if (left > 2) text += alphabet[group & 63];
  }
  return text;
}

const PAD = 0x3d;
const isBlank = (code: number | undefined): boolean => code === 0x0a || code === 0x0d || code === 0x20 || code === 0x09;

function decode(
  codes: Uint8Array,
  start: number,
  stop: number,
  values: Uint8Array,
  blanks = false,
): Uint8Array<ArrayBuffer> | undefined {
  let end = stop;
  let padding = 0;
  const isPadded = values === STANDARD_VALUES;
  for (; isPadded && end > start; end--) {
    if (codes[end - 1] === PAD && padding < 2) padding++;
    else if (!blanks || !isBlank(codes[end - 1])) break;
  }
  const bytes = new Uint8Array(((end - start) * 3) >> 2);
  let to = 0;
  let at = start;
  let group = 0;
  /** Characters of the group that is put together; of most there are four at once. */
  let count = 0;
  while (at < end) {
    if (count === 0 && at + 4 <= end) {
      // Written out: as a function of its own the look-up costs half as much again.
      const one = values[codes[at] as number] as number;
      const two = values[codes[at + 1] as number] as number;
      const three = values[codes[at + 2] as number] as number;
      const four = values[codes[at + 3] as number] as number;
      if ((one | two | three | four) < 64) {
        bytes[to++] = (one << 2) | (two >> 4);
        bytes[to++] = (two << 4) | (three >> 2);
        bytes[to++] = (three << 6) | four;
        at += 4;
        continue;
      }
    }
    const code = codes[at++] as number;
    const value = values[code] as number;
    if (value < 64) {
      group = (group << 6) | value;
      count++;
    } else if (!blanks || !isBlank(code)) return undefined;
    if (count < 4) continue;
    bytes[to++] = group >> 16;
    bytes[to++] = group >> 8;
    bytes[to++] = group;
    group = count = 0;
  }
  if (count === 1 || (isPadded && (count + padding) % 4 !== 0)) return undefined;
  if (count > 0) {
    group <<= 24 - 6 * count;
    // The bits behind the last byte.
    if ((group & (count === 3 ? 0xff : 0xffff)) !== 0) return undefined;
    bytes[to] = group >> 16;
    // Behind the end of the bytes, or zero and cut off, where there is one alone.
    bytes[to + 1] = group >> 8;
    to += count - 1;
  }
  return to === bytes.length ? bytes : bytes.subarray(0, to);
}
