import { type DerReader, Tag } from './der.js';

/**
 * Time of RFC 5280 section 4.1.2.5: UTCTime `YYMMDDHHMMSSZ` (1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ`, seconds
 * and the Z demanded, no fractions, a day that exists.
 */
export function readTime(reader: DerReader): Date {
  const element = reader.read();
  const digits = String.fromCharCode(...element.content.subarray(0, 16));
  if (element.tag === Tag.UTC_TIME && /^\d{12}Z$/.test(digits)) {
    const year = Number(digits.slice(0, 2));
    return dateOf(`${year < 50 ? 20 : 19}${digits}`, reader);
  }
  if (element.tag === Tag.GENERALIZED_TIME && /^\d{14}Z$/.test(digits)) return dateOf(digits, reader);
  throw reader.fault('a time');
}

export function isTime(tag: number | undefined): boolean {
  return tag === Tag.UTC_TIME || tag === Tag.GENERALIZED_TIME;
}

function dateOf(digits: string, reader: DerReader): Date {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? [];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const date = new Date(iso);
  // Date rolls 30 February over to March, and takes 24:00: both have another canonical text.
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) throw reader.fault('a time that does not exist');
  return date;
}
