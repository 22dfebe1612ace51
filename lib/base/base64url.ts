import { utf8Bytes } from './bytes.js';

/**
 * The one base64 codec (RFC 4648). Decoding is strict: one text for one value, so that no two readers of a document see
 * different bytes. Refused are characters outside the alphabet (blanks and line ends included), a length that no bytes
 * have, bits after the last byte that are not zero, and padding where the form has none or where it is missing.
 */

const URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const STANDARD_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** In a group of three bytes, above their 24 bits. */
const INVALID = 1 << 24;

const URL_TABLES = tablesOf(URL_ALPHABET);
const STANDARD_TABLES = tablesOf(STANDARD_ALPHABET);

/** For each of the four characters of a group: what it adds to the group's 24 bits, by its UTF-8 byte. */
/* @__NO_SIDE_EFFECTS__ */ function tablesOf(
  alphabet: string,
): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const table = (shift: number): Int32Array => {
    const values = new Int32Array(256).fill(INVALID);
    for (let value = 0; value < 64; value++) values[alphabet.charCodeAt(value)] = value << shift;
    return values;
  };
  return [table(18), table(12), table(6), table(0)];
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
  return decode(codes, codes.length, URL_TABLES);
}

const PAD = 0x3d;

/** Bytes of base64 with padding, as text or as its ASCII; undefined for anything else. */
export function decodeBase64(text: string | Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const codes = typeof text === 'string' ? utf8Bytes(text) : text;
  const { length } = codes;
  if (length % 4 !== 0) return undefined;
  const padding = codes[length - 1] !== PAD ? 0 : codes[length - 2] === PAD ? 2 : 1;
  return decode(codes, length - padding, STANDARD_TABLES);
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

function decode(
  codes: Uint8Array,
  length: number,
  [first, second, third, fourth]: readonly [Int32Array, Int32Array, Int32Array, Int32Array],
): Uint8Array<ArrayBuffer> | undefined {
  const rest = length % 4;
  if (rest === 1) return undefined;
  const whole = length - rest;
  const bytes = new Uint8Array(whole * 0.75 + (rest === 0 ? 0 : rest - 1));
  // One bad character sets the bit that no three bytes have in what all groups are collected in.
  let seen = 0;
  let to = 0;
  // Written out: as a function of its own the look-up costs half as much again.
  for (let at = 0; at < whole; at += 4) {
    const group =
      (first[codes[at] as number] as number) |
      (second[codes[at + 1] as number] as number) |
      (third[codes[at + 2] as number] as number) |
      (fourth[codes[at + 3] as number] as number);
    seen |= group;
    bytes[to] = group >> 16;
    bytes[to + 1] = group >> 8;
    bytes[to + 2] = group;
    to += 3;
  }
  if (rest > 0) {
    const last = rest === 3 ? (third[codes[whole + 2] as number] as number) : 0;
    const group = (first[codes[whole] as number] as number) | (second[codes[whole + 1] as number] as number) | last;
    seen |= group;
    bytes[to] = group >> 16;
    if (rest === 3) bytes[to + 1] = group >> 8;
    if ((group & (rest === 3 ? 0xff : 0xffff)) !== 0) return undefined;
  }
  return seen < INVALID ? bytes : undefined;
}
