import { bytesFromHex } from '../base/hex.js';
import { custom } from '../base/option-kinds.js';
import { invalid, type OptionKind } from '../base/options.js';
import { utcDate } from '../base/utc-date.js';
import { malformed } from './input.js';

/** Kinds of members that Intel's documents have, beside those of options. */

/** `size` bytes in hex of either case. */
export const hexBytes = /* @__NO_SIDE_EFFECTS__ */ (size: number): OptionKind<Uint8Array> =>
  custom((value, name) => {
    const bytes = typeof value === 'string' && value.length === 2 * size ? bytesFromHex(value) : undefined;
    if (bytes === undefined) throw invalid(`${name} must be ${2 * size} hex digits`);
    return bytes;
  });

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** ISO 8601 with seconds and Z, as Intel writes it. */
export const time: OptionKind<Date> = custom((value, name) => {
  const text = typeof value === 'string' && TIME.test(value) ? value : '';
  const part = (start: number, end = start + 2): number => Number(text.slice(start, end));
  const date = utcDate(part(0, 4), part(5), part(8), part(11), part(14), part(17));
  if (date === undefined) throw invalid(`${name} must be a time with seconds and Z`);
  return date;
});

/** A list of short texts. */
export const texts: OptionKind<string[]> = custom((value, name) => {
  const areShort = Array.isArray(value) && value.length <= 256 && value.every((text) => isText(text, 64));
  if (!areShort) throw invalid(`${name} must be a list of texts`);
  return value;
});

/** At most so many characters, whichever. */
export function isText(value: unknown, maximum: number): value is string {
  return typeof value === 'string' && value.length <= maximum;
}

/**
 * Reads what Intel wrote. Members that are not known are left alone, since Intel adds some from time to time; those that are
 * known must be what they are said to be.
 *
 * @throws {AttestationError} 20 for anything else.
 */
export function readIntelJson<Read>(kind: OptionKind<Read>, value: unknown, name: string): Read {
  try {
    return kind.check(value, name);
  } catch (error) {
    throw malformed(name, error instanceof Error ? error.message : String(error), error);
  }
}
