import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../lib/index.js';

const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
/** Number, name and cause of each row of the table of codes. */
const rows = [...text.matchAll(/^\|\s*(\d+)\s*\|\s*`([A-Z_]+)`\s*\|([^|]*)\|/gm)].map((row) => ({
  code: Number(row[1]),
  name: row[2],
  cause: row[3]?.trim(),
}));

describe('docs/errors.md', () => {
  it('lists every code once, in order, under its name, with its cause', () => {
    expect(rows.map(({ code, name }) => [name, code])).toEqual(Object.entries(ErrorCode));
    for (const { cause } of rows) expect(cause).toMatch(/\w{5}/);
  });

  it('says so of those that cannot happen', () => {
    const never = rows.filter(({ cause }) => cause?.startsWith('never')).map(({ code }) => code);
    expect(never).toEqual([19, 31, 32]);
  });
});
