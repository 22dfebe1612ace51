import { utcDate } from '../base/utc-date.js';
import type { DerReader } from './der.js';
import { GENERALIZED_TIME, UTC_TIME } from './der-tags.js';

const ZERO = 0x30;
const NINE = 0x39;
const ZULU = 0x5a;

/**
 * Time of RFC 5280 section 4.1.2.5: UTCTime `YYMMDDHHMMSSZ` (1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ`, seconds
 * and the Z demanded, no fractions, a day that exists.
 */
export function readTime(reader: DerReader): Date {
  const { nextTag } = reader;
  let at = reader.pass();
  const { bytes } = reader;
  const last = reader.at - 1;
  const isShort = nextTag === UTC_TIME && last - at === 12;
  if (!isShort && !(nextTag === GENERALIZED_TIME && last - at === 14)) throw reader.fault('a time');
  for (let index = at; index < last; index++) if (!isDigit(bytes[index] as number)) throw reader.fault('a time');
  if (bytes[last] !== ZULU) throw reader.fault('a time');
  const pair = (): number => ((bytes[at++] as number) - ZERO) * 10 + ((bytes[at++] as number) - ZERO);
  const first = pair();
  const year = isShort ? first + (first < 50 ? 2000 : 1900) : first * 100 + pair();
  const date = utcDate(year, pair(), pair(), pair(), pair(), pair());
  if (date === undefined) throw reader.fault('a time that does not exist');
  return date;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

export function isTime(tag: number | undefined): boolean {
  return tag === UTC_TIME || tag === GENERALIZED_TIME;
}
