/**
 * The one base64 codec (RFC 4648). Decoding is strict: one text for one value, so that no two readers of a document see
 * different bytes. Refused are characters outside the alphabet (blanks and line ends included), a length that no bytes
 * have, bits after the last byte that are not zero, and padding where the form has none or where it is missing.
 */

const URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const STANDARD_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const INVALID = 64;

const URL_VALUES = valuesOf(URL_ALPHABET);
const STANDARD_VALUES = valuesOf(STANDARD_ALPHABET);

function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(INVALID);
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
  return decode(text, text.length, URL_VALUES);
}

/** Bytes of base64 with padding; undefined for anything else. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return decode(text, text.length - padding, STANDARD_VALUES);
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

function decode(text: string, length: number, values: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const rest = length % 4;
  if (rest === 1) return undefined;
  const bytes = new Uint8Array((length - rest) * 0.75 + (rest === 0 ? 0 : rest - 1));
  // One bad character sets bit 6 of what all values are collected in.
  let seen = 0;
  let at = 0;
  let to = 0;
  const value = (index: number): number => values[text.charCodeAt(index)] ?? INVALID;
  for (const end = length - rest; at < end; at += 4) {
    const a = value(at);
    const b = value(at + 1);
    const c = value(at + 2);
    const d = value(at + 3);
    seen |= a | b | c | d;
    bytes[to++] = (a << 2) | (b >>> 4);
    bytes[to++] = (b << 4) | (c >>> 2);
    bytes[to++] = (c << 6) | d;
  }
  if (rest > 0) {
    const a = value(at);
    const b = value(at + 1);
    const c = rest === 3 ? value(at + 2) : 0;
    seen |= a | b | c;
    bytes[to++] = (a << 2) | (b >>> 4);
    if (rest === 3) bytes[to++] = (b << 4) | (c >>> 2);
    const unused = rest === 3 ? c & 3 : b & 15;
    if (unused !== 0) return undefined;
  }
  return seen < INVALID ? bytes : undefined;
}
