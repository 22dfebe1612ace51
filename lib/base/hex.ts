import { latin1Text } from './bytes.js';

/** Codes of the digits. */
const DIGITS = /* @__PURE__ */ Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** Value of a digit's code in either case; above 15 for any other. */
const VALUES = /* @__PURE__ */ Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 0xff : value;
});

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  const digits = new Uint8Array(2 * bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    digits[2 * at] = DIGITS[byte >> 4] as number;
    digits[2 * at + 1] = DIGITS[byte & 15] as number;
  }
  return latin1Text(digits);
}

/** Bytes of hex in either case; undefined for anything else, an odd number of digits included. */
export function bytesFromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  let seen = 0;
  for (let at = 0; at < bytes.length; at++) {
    const high = VALUES[text.charCodeAt(2 * at)] ?? 0xff;
    const low = VALUES[text.charCodeAt(2 * at + 1)] ?? 0xff;
    seen |= high | low;
    bytes[at] = (high << 4) | low;
  }
  return seen > 15 ? undefined : bytes;
}
