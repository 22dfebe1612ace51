import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { html } from '../../lib/cli/html/markup.js';
import { printable, printableJson } from '../../lib/cli/output/printable.js';
import { Terminal } from '../../lib/cli/output/terminal.js';

/** Control, bidirectional, zero-width, separators, fillers, a tag and a variation selector. */
const HIDDEN = [
  0x00, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x34f, 0x61c, 0x115f, 0x180e, 0x200b, 0x200d, 0x200e, 0x2028, 0x2029, 0x202e,
  0x2060, 0x2066, 0x2069, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xfff9, 0xe0001, 0xe0041, 0xe0100,
];
const VISIBLE = 'Ärger: 日本語, naïve – “x” 😀 €';

describe('characters that a reader would not see', () => {
  it.each(HIDDEN)('U+%s is spelt out in text, JSON and HTML', (codePoint) => {
    const text = `a${String.fromCodePoint(codePoint)}b`;
    expect(printable(text)).toBe(`a\\u{${codePoint.toString(16)}}b`);
    expect(html`${text}`.text).not.toContain(String.fromCodePoint(codePoint));
    const json = printableJson(JSON.stringify({ [text]: text }, null, 2));
    expect(json).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(json)).toEqual({ [text]: text });
  });

  it('lone surrogates are spelt out, and everything else stays as it is', () => {
    expect(printableJson('"\ud800"')).toBe('"\\ud800"');
    expect(printable(VISIBLE)).toBe(VISIBLE);
    expect(printableJson(JSON.stringify(VISIBLE))).toBe(JSON.stringify(VISIBLE));
  });

  it('of a token’s claim do not reach a terminal by --json', async () => {
    const stdout = new PassThrough();
    new Terminal(stdout, new PassThrough(), {}).json({ issuer: 'https://good\u202e\u200b.example\u009b31m' });
    expect(String(stdout.read())).toBe('{\n  "issuer": "https://good\\u202e\\u200b.example\\u009b31m"\n}\n');
  });
});
