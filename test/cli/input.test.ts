import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBytes, parsePcrs } from '../../lib/cli/input/bytes.js';
import { toJson } from '../../lib/cli/output/json.js';
import { printable, shorten } from '../../lib/cli/output/printable.js';
import { wrap } from '../../lib/cli/output/table.js';

describe('bytes on the command line', () => {
  it.each([
    ['00ff', '00ff'],
    ['00FF', '00ff'],
    ['abc', Buffer.from('abc').toString('hex')],
    ['challenge', Buffer.from('challenge').toString('hex')],
    ['text:00ff', Buffer.from('00ff').toString('hex')],
    ['hex:0a0b', '0a0b'],
    ['base64:AP8=', '00ff'],
    ['base64:_-8', 'ffef'],
    ['text:a:b', Buffer.from('a:b').toString('hex')],
    ['é', 'c3a9'],
  ])('%s is %s', (argument, hex) => {
    expect(Buffer.from(parseBytes(argument)).toString('hex')).toBe(hex);
  });

  it.each(['', 'hex:', 'hex:abc', 'hex:zz', 'base64:!', 'text:'])('%j is refused', (argument) => {
    expect(() => parseBytes(argument)).toThrow(InvalidArgumentError);
  });

  it('any bytes survive in hex and base64', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        for (const form of ['hex', 'base64', 'base64url'] as const) {
          const argument = `${form === 'hex' ? 'hex' : 'base64'}:${Buffer.from(bytes).toString(form)}`;
          expect(Buffer.from(parseBytes(argument)).equals(bytes)).toBe(true);
        }
      }),
    );
  });
});

describe('PCRs on the command line', () => {
  it.each([
    ['7', [7]],
    ['0-3,7', [0, 1, 2, 3, 7]],
    ['23,0,0', [0, 23]],
    [' 1 , 2 ', [1, 2]],
  ])('%s', (argument, indices) => {
    expect(parsePcrs(argument)).toEqual(indices);
  });

  it.each(['', ',', '24', '3-1', '-1', '1-', 'a', '0-7;8', '100'])('%j is refused', (argument) => {
    expect(() => parsePcrs(argument)).toThrow(InvalidArgumentError);
  });
});

describe('output', () => {
  it('nothing that a terminal acts on passes, and what is harmless passes as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
      }),
    );
    expect(printable('Grüße, 世界 ✓ 🙂')).toBe('Grüße, 世界 ✓ 🙂');
    expect(printable('\u001b[31m')).toBe('\\u{1b}[31m');
  });

  it('wraps without losing anything', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z ]{0,200}$/), fc.integer({ min: 5, max: 50 }), (text, width) => {
        const lines = wrap(text, width);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      }),
    );
  });

  it('says how much it left out', () => {
    expect(shorten('abcdef', 6)).toBe('abcdef');
    expect(shorten('abcdef', 2)).toBe('ab… (4 more)');
  });

  it('JSON has bytes in hex, times in ISO 8601, large integers in decimal, and nothing undefined', () => {
    const value = {
      a: Buffer.from([0, 255]),
      b: new Date(0),
      c: 2n ** 64n,
      d: undefined,
      e: new Map([[7, new Uint8Array([1])]]),
      f: [1n],
    };
    expect(toJson(value)).toEqual({
      a: '00ff',
      b: '1970-01-01T00:00:00.000Z',
      c: '18446744073709551616',
      e: { 7: '01' },
      f: ['1'],
    });
  });
});
