import { type DerReader, Tag } from './der.js';

type Fields = [month: number, day: number, hour: number, minute: number, second: number];

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
  const digits = content.subarray(0, -1);
  if (content.at(-1) !== ZULU || digits.some((digit) => digit < ZERO || digit > NINE)) throw reader.fault('a time');
  const pair = (at: number): number => ((digits[at] ?? 0) - ZERO) * 10 + ((digits[at + 1] ?? 0) - ZERO);
  const rest = isShort ? 2 : 4;
  const year = isShort ? pair(0) + (pair(0) < 50 ? 2000 : 1900) : pair(0) * 100 + pair(2);
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => pair(rest + at)) as Fields;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  // Date rolls 30 February over to March, and takes 24:00: what comes back is another time then.
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!exists || minute > 59 || second > 59) throw reader.fault('a time that does not exist');
  return date;
}

export function isTime(tag: number | undefined): boolean {
  return tag === Tag.UTC_TIME || tag === Tag.GENERALIZED_TIME;
}
