import { textOfUnits } from './bytes.js';

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  return textOfUnits(2 * bytes.length, (index) => {
    const digit = ((bytes[index >> 1] as number) >> (index % 2 === 0 ? 4 : 0)) & 15;
    return digit + (digit < 10 ? 0x30 : 0x57);
  });
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

/** A number as specifications write those of bits and offsets: `0x1f`. */
export function hexNumber(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
