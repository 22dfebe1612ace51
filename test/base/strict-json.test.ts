import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson, StrictJsonError } from '../../lib/base/strict-json.js';

const reasonOf = (json: string | Uint8Array, maxDepth?: number): string | undefined => {
  try {
    parseStrictJson(json, maxDepth);
    return undefined;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    return error.reason;
  }
};

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads, whatever is in names and strings', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('":{}[],\\', '\\"', '\\\\"', '__proto__', ':', '"'));
    const value = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, text, fc.double(), fc.boolean(), fc.constant(null), tie('array'), tie('object')),
      array: fc.array(tie('value'), { maxLength: 4 }),
      object: fc.dictionary(text, tie('value'), { maxKeys: 4 }),
    })).value;
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2, '\t'), (given, indent) => {
        const json = JSON.stringify(given, undefined, indent);
        expect(parseStrictJson(json)).toEqual(JSON.parse(json));
        expect(parseStrictJson(Buffer.from(json))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('refuses a string exactly when JSON.parse does, doubled names and deep nesting apart', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"a"',
      '"b":',
      '"\\""',
      ':',
      ',',
      '1',
      'null',
      ' ',
      '\\',
      '"',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const json = pieces.join('');
        const reason = reasonOf(json);
        if (reason === 'syntax') expect(() => JSON.parse(json)).toThrow();
        else expect(() => JSON.parse(json)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('parseStrictJson tells why it refuses a string', () => {
    const texts = [
      ['{"a":1,"a":1}', 'duplicate'],
      ['{"a":1,"\\u0061":1}', 'duplicate'],
      ['{"__proto__":1,"__proto__":1}', 'duplicate'],
      ['{"x":[{"c":1,"c":2}]}', 'duplicate'],
      ['{"a":{"a":{"a":1}}}', undefined],
      ['[{"a":1},{"a":1}]', undefined],
      ['{"a" :1,"a" :2,"b":":"}', 'duplicate'],
      ['{"a":":","b":":x"}', undefined],
      ['{"a":":","a":1}', 'duplicate'],
      ['{"a\\\\":1,"a\\\\":1}', 'duplicate'],
      [`{"a":"${' '.repeat(70_000)}","a":1}`, 'duplicate'],
      [`[[[[["${' '.repeat(70_000)}"]]]]]`, 'depth'],
      ['[[[[0]]]]', undefined],
      ['[[[[[0]]]]]', 'depth'],
      ['['.repeat(100_000), 'depth'],
      ['', 'syntax'],
      ['{"a', 'syntax'],
      ['{"a\\', 'syntax'],
      ['\u{FEFF}{}', 'syntax'],
    ] as const;
    for (const [json, reason] of texts)
      expect([json.slice(0, 60), reasonOf(json, 4)]).toEqual([json.slice(0, 60), reason]);
  });

  it('refuses what is not UTF-8', () => {
    expect(reasonOf(Uint8Array.of(0x22, 0xc3, 0x22))).toBe('syntax');
    expect(reasonOf(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toBe('syntax');
  });
});
