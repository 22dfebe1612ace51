import { describe, expect, it } from 'vitest';
import { encodeClientPayload } from '../../lib/maa/client-payload.js';

const b64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');

describe('the client payload', () => {
  it.each([undefined, null, {}, [], '{}', '[]', 'null', '"text"', '7', 'true'])('%j is none', (payload) => {
    expect(encodeClientPayload(payload)).toBeNull();
  });

  it.each<[unknown, Record<string, string>]>([
    ['{"nonce":"abc"}', { nonce: 'abc' }],
    [
      { nonce: 'abc', role: 'x' },
      { nonce: 'abc', role: 'x' },
    ],
    ['{"a":5,"b":true,"c":1.5,"d":null,"e":""}', { a: '5', b: 'true', c: '1.5', d: '', e: '' }],
    [
      { a: 5, b: false, c: null },
      { a: '5', b: 'false', c: '' },
    ],
    ['["x","y"]', { 0: 'x', 1: 'y' }],
    [['x', 'y'], { 0: 'x', 1: 'y' }],
    ['{"a":"first","a":"last"}', { a: 'last' }],
    ['{"ключ":"значение \\u0000 \\ud83d\\ude00"}', { ключ: 'значение \u0000 😀' }],
    ['{"__proto__":"x"}', JSON.parse('{"__proto__":"x"}')],
    [Object.assign(Object.create(null), { nonce: 'abc' }), { nonce: 'abc' }],
  ])('%j has each value in base64 under its own name', (payload, expected) => {
    const encoded = encodeClientPayload(payload);
    expect(Object.entries(encoded ?? {})).toEqual(Object.entries(expected).map(([name, text]) => [name, b64(text)]));
  });

  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['blanks', ' '],
    ['malformed JSON', '{"a":'],
    ['text after the closing brace', '{"a":"b"} x'],
    ['a comment', '{"a":"b" /* c */}'],
    ['a nested object', '{"a":{"b":"c"}}'],
    ['a nested array', { a: ['b'] }],
    ['an array in an array', '[["x"]]'],
    ['undefined as a value', { nonce: undefined }],
    ['a function', { nonce: () => 'x' }],
    ['a big integer', { nonce: 5n }],
    ['an integer that is not exact', '{"id":12345678901234567890}'],
    ['an infinite number', { a: Number.POSITIVE_INFINITY }],
    ['a lone surrogate', { a: '\ud800' }],
    ['a number', 7],
    ['bytes', Buffer.from('{"a":"b"}')],
    ['a map', new Map([['a', 'b']])],
    ['a date', new Date()],
    ['64 KiB and a byte', { a: 'x'.repeat(64 * 1024) }],
    ['a megabyte of text', JSON.stringify({ a: 'x'.repeat(1 << 20) })],
    ['a bomb of brackets', '['.repeat(500_000)],
  ])('%s is refused', (_, payload) => {
    expect(() => encodeClientPayload(payload)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('no refusal quotes a value', () => {
    expect(() => encodeClientPayload('{"secret": "swordfish" oops')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('swordfish') }),
    );
  });
});
