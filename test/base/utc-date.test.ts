import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utcDate } from '../../lib/base/utc-date.js';

describe('utcDate', () => {
  it('utcDate takes every time that there is, and gives it', () => {
    const range = { min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true };
    fc.assert(
      fc.property(fc.date(range), (date) => {
        date.setUTCMilliseconds(0);
        const fields = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()] as const;
        expect(utcDate(...fields, date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds())).toEqual(date);
      }),
    );
  });

  it.each<[string, Parameters<typeof utcDate>]>([
    ['30 February', [2024, 2, 30, 0, 0, 0]],
    ['29 February of a common year', [2023, 2, 29, 0, 0, 0]],
    ['29 February of 1900', [1900, 2, 29, 0, 0, 0]],
    ['31 April', [2024, 4, 31, 0, 0, 0]],
    ['a day 0', [2024, 1, 0, 0, 0, 0]],
    ['a month 0', [2024, 0, 1, 0, 0, 0]],
    ['a month 13', [2024, 13, 1, 0, 0, 0]],
    ['24:00', [2024, 1, 1, 24, 0, 0]],
    ['a minute 60', [2024, 1, 1, 0, 60, 0]],
    ['a leap second', [2016, 12, 31, 23, 59, 60]],
    ['what is not a number', [Number.NaN, 1, 1, 0, 0, 0]],
  ])('utcDate refuses %s', (_, fields) => {
    expect(utcDate(...fields)).toBeUndefined();
  });
});
