import { latin1Text } from './bytes.js';

/** Code of a digit. */
const digit = (value: number): number => value + (value > 9 ? 87 : 48);

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  const digits = new Uint8Array(2 * bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    digits[2 * at] = digit(byte >> 4);
    digits[2 * at + 1] = digit(byte & 15);
  }
  return latin1Text(digits);
}

/** Value of a hex digit by its code, in either case. */
const digitValue = (code: number): number => (code & 15) + (code > 64 ? 9 : 0);

/** Bytes of hex in either case; undefined for anything else, an odd number of digits included. */
export function bytesFromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = digitValue(text.charCodeAt(2 * at)) * 16 + digitValue(text.charCodeAt(2 * at + 1));
  }
  return bytes;
}
