import { utcDate } from '../base/utc-date.js';
import { type DerReader, Tag } from './der.js';

const ZERO = 0x30;
const NINE = 0x39;
const ZULU = 0x5a;

/**
 * Time of RFC 5280 section 4.1.2.5: UTCTime `YYMMDDHHMMSSZ` (1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ`, seconds
 * and the Z demanded, no fractions, a day that exists.
 */
export function readTime(reader: DerReader): Date {
  const { tag, content } = reader.read();
  const isShort = tag === Tag.UTC_TIME && content.length === 13;
  if (!isShort && !(tag === Tag.GENERALIZED_TIME && content.length === 15)) throw reader.fault('a time');
  const last = content.length - 1;
  for (let at = 0; at < last; at++) if (!isDigit(content[at] as number)) throw reader.fault('a time');
  if (content[last] !== ZULU) throw reader.fault('a time');
  const pair = (at: number): number => ((content[at] as number) - ZERO) * 10 + ((content[at + 1] as number) - ZERO);
  const rest = isShort ? 2 : 4;
  const year = isShort ? pair(0) + (pair(0) < 50 ? 2000 : 1900) : pair(0) * 100 + pair(2);
  const date = utcDate([year, pair(rest), pair(rest + 2), pair(rest + 4), pair(rest + 6), pair(rest + 8)]);
  if (date === undefined) throw reader.fault('a time that does not exist');
  return date;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

export function isTime(tag: number | undefined): boolean {
  return tag === Tag.UTC_TIME || tag === Tag.GENERALIZED_TIME;
}
