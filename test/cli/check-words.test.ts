import { describe, expect, it } from 'vitest';
import { duration, failuresInWords, timeInWords } from '../../lib/cli/output/check-words.js';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const seconds = (time: string): string => String(Date.parse(time) / 1000);

describe('a time that failed a check, in words', () => {
  it.each([
    ['ERR_TOKEN_EXPIRED', '2026-06-01T11:01:00Z', 'expired 59 minutes ago, at 2026-06-01T11:01:00Z'],
    ['ERR_TOKEN_EXPIRED', '2026-06-01T11:59:58Z', 'expired 2 seconds ago, at 2026-06-01T11:59:58Z'],
    ['ERR_TOKEN_EXPIRED', '2023-02-01T00:00:00Z', 'expired 3 years ago, at 2023-02-01T00:00:00Z'],
    ['ERR_TOKEN_NOT_YET_VALID', '2026-06-01T13:00:00Z', 'valid in 1 hour, at 2026-06-01T13:00:00Z'],
    ['ERR_TOKEN_ISSUED_IN_FUTURE', '2026-06-03T12:00:00Z', 'issued 2 days from now, at 2026-06-03T12:00:00Z'],
    ['ERR_TOKEN_TOO_OLD', '2026-06-01T11:50:00Z', 'issued 10 minutes ago, at 2026-06-01T11:50:00Z'],
  ])('%s of %s is “%s”', (code, time, words) => {
    const check = { name: 'time', ok: false, code, expected: seconds('2026-06-01T11:59:00Z'), actual: seconds(time) };
    expect(timeInWords(check, NOW)).toBe(words);
  });

  it('counts from the time that was verified for, where that is not now', () => {
    const [expected, actual] = [seconds('2030-01-02T00:00:00Z'), seconds('2030-01-01T00:00:00Z')];
    expect(timeInWords({ name: 'x', ok: false, code: 'ERR_TOKEN_EXPIRED', expected, actual }, NOW)).toBe(
      'expired 1 day ago, at 2030-01-01T00:00:00Z',
    );
  });

  it('reads ISO 8601 of certificates and revocation lists', () => {
    const check = { name: 'x', ok: false, code: 'ERR_CERTIFICATE_EXPIRED', actual: 'until 2026-05-31T12:00:00.000Z' };
    expect(timeInWords(check, NOW)).toBe('expired 1 day ago, at 2026-05-31T12:00:00Z');
  });

  it('says nothing of what is not a time', () => {
    for (const actual of [undefined, 'soon', '12', '-1', '99999999999999']) {
      expect(
        timeInWords({ name: 'x', ok: false, code: 'ERR_TOKEN_EXPIRED', ...(actual && { actual }) }, NOW),
      ).toBeUndefined();
    }
    expect(duration(0)).toBe('0 seconds');
  });
});

describe('the failures in a verdict', () => {
  const failed = (name: string, code: string) => ({ name, ok: false, code });

  it('are named with their codes, three at most', () => {
    const checks = ['a', 'b', 'c', 'd', 'e'].map((name) => failed(name, `ERR_${name.toUpperCase()}`));
    expect(failuresInWords([{ name: 'good', ok: true }, ...checks])).toBe(
      'a (ERR_A); b (ERR_B); c (ERR_C); and 2 more',
    );
  });

  it('do not begin with what could not be checked because of another', () => {
    const checks = [failed('depends', 'ERR_NOT_CHECKED'), failed('cause', 'ERR_CAUSE')];
    expect(failuresInWords(checks)).toBe('cause (ERR_CAUSE); and 1 more');
    expect(failuresInWords([failed('depends', 'ERR_NOT_CHECKED')])).toBe('depends (ERR_NOT_CHECKED)');
  });
});
