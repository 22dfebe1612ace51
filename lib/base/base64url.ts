import { encodeInto, textOfUnits, utf8Bytes } from './bytes.js';

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
  return decodeText(text, URL_VALUES);
}

/**
 * The same into all of `bytes`, which stay: whole groups of three only. False for anything else, and then they are of no use.
 * For what is read so often that new memory, and asking the engine for its own decoder, would be most of it.
 */
export function readBase64url(text: string, bytes: Uint8Array): boolean {
  if (text.length * 3 !== bytes.length * 4) return false;
  const value = (at: number): number => URL_VALUES[text.charCodeAt(at)] ?? INVALID;
  let all = 0;
  let to = 0;
  for (let at = 0; at < text.length; at += 4) {
    const one = value(at);
    const two = value(at + 1);
    const three = value(at + 2);
    const four = value(at + 3);
    all |= one | two | three | four;
    bytes[to++] = (one << 2) | (two >> 4);
    bytes[to++] = (two << 4) | (three >> 2);
    bytes[to++] = (three << 6) | four;
  }
  return all < 64;
}

/** Bytes of base64 with padding, as text or as its ASCII; undefined for anything else. */
export function decodeBase64(text: string | Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  return typeof text === 'string' ? decodeText(text, STANDARD_VALUES) : decode(text, 0, text.length, STANDARD_VALUES);
}

/** The same of ASCII from `start` to `end` with blanks and line ends anywhere, as PEM has it. */
export function decodeBase64Lines(codes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> | undefined {
  return decode(codes, start, end, STANDARD_VALUES, true);
}

function encode(bytes: Uint8Array, alphabet: string): string {
  return textOfUnits(Math.ceil((bytes.length * 4) / 3), (index) => {
    const at = (index * 6) >> 3;
    const sixteen = ((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0);
    return alphabet.charCodeAt((sixteen >> (10 - ((index * 6) & 7))) & 63);
  });
}

/** For texts up to a third of it, one after the other: memory of its own for each takes longer than to decode it. */
const shortText = /* @__PURE__ */ new Uint8Array(24 * 1024);

function decodeText(text: string, values: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const isShort = text.length * 3 <= shortText.length;
  const codes = isShort ? shortText : utf8Bytes(text);
  const end = isShort ? encodeInto(text, shortText) : codes.length;
  const bytes = decode(codes, 0, end, values);
  // It may have been a secret.
  shortText.fill(0, 0, end);
  return bytes;
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
  let group = 0;
  /** Bits of the group that no byte has yet. */
  let left = 0;
  for (let at = start; at < end; at++) {
    const code = codes[at] as number;
    const value = values[code] as number;
    if (value > 63) {
      if (blanks && isBlank(code)) continue;
      return undefined;
    }
    group = (group << 6) | value;
    left += 6;
    if (left < 8) continue;
    left -= 8;
    bytes[to++] = group >> left;
  }
  // A character that is alone, bits behind the last byte, or padding that is not as long as they are.
  const isWhole = left < 6 && (group & ((1 << left) - 1)) === 0 && (!isPadded || left === 2 * padding);
  if (!isWhole) return undefined;
  return to === bytes.length ? bytes : bytes.subarray(0, to);
}
