import type { Check } from '../../base/errors.js';

/** Failures that a verdict names; the list above it has all. */
const NAMED_FAILURES = 3;
/** So long a difference between two clocks says that the verification was not about now. */
const ABOUT_NOW_SECONDS = 2 * 3600;
const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [365 * 86_400, 'year'],
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];

/**
 * What failed, for the last line of a verification: names, codes, times in words. What only could not be checked because of
 * another failure is left out where there is another.
 */
export function failuresInWords(checks: readonly Check[], now = Date.now()): string {
  const failed = checks.filter((check) => !check.ok);
  const own = failed.filter((check) => check.code !== 'ERR_NOT_CHECKED');
  const named = (own.length > 0 ? own : failed).slice(0, NAMED_FAILURES);
  const words = named.map((check) => {
    const time = timeInWords(check, now);
    const code = check.code === undefined ? '' : ` (${check.code})`;
    return `${check.name}${time === undefined ? '' : `: ${time}`}${code}`;
  });
  const more = failed.length - named.length;
  return `${words.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** For a check of a time that failed: `expired 59 minutes ago, at 2026-01-31T12:00:00Z`. */
export function timeInWords({ code = '', expected, actual }: Check, now = Date.now()): string | undefined {
  const found = instant(actual);
  if (found === undefined) return undefined;
  const limit = instant(expected);
  const reference = limit !== undefined && Math.abs(limit - now) > 1000 * ABOUT_NOW_SECONDS ? limit : now;
  const distance = duration(Math.abs(reference - found) / 1000);
  const at = `at ${new Date(found).toISOString().slice(0, 19)}Z`;
  if (/_EXPIRED$/.test(code)) return found <= reference ? `expired ${distance} ago, ${at}` : undefined;
  if (/_NOT_YET_VALID$/.test(code)) return `valid in ${distance}, ${at}`;
  if (/_ISSUED_IN_FUTURE$/.test(code)) return `issued ${distance} from now, ${at}`;
  if (/_TOO_OLD$/.test(code)) return `issued ${distance} ago, ${at}`;
  return undefined;
}

/** The largest unit of which there is one; seconds below a minute. */
export function duration(seconds: number): string {
  const [size, name] = UNITS.find(([unit]) => seconds >= unit) ?? [1, 'second'];
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** Milliseconds of what a check holds: seconds since 1970 in a token, ISO 8601 elsewhere. */
function instant(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{9,11}$/.test(text)) return 1000 * Number(text);
  const [iso] = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z/.exec(text) ?? [];
  return iso === undefined ? undefined : Date.parse(iso);
}
