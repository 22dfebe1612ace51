import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TOKEN_REFUSALS } from '../../lib/index.js';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

describe('token refusals', () => {
  it('are documented, each with its sentence', () => {
    const table = /<!-- codes -->(.*)<!-- \/codes -->/s.exec(read('../../docs/tokens.md'))?.[1] ?? '';
    const rows = [...table.matchAll(/^\| `(\w+)` +\| (.*?) +\|$/gm)].map(([, code, sentence]) => [code, sentence]);
    expect(rows).toEqual(Object.entries(TOKEN_REFUSALS));
  });

  it('are provoked, each by a test', () => {
    const tests = ['.', '../relying-party'].flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, import.meta.url))
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => read(`${folder}/${name}`)),
    );
    const provoked = new Set(tests.join('\n').match(/ERR_TOKEN_\w+/g));
    expect(Object.keys(TOKEN_REFUSALS).filter((code) => !provoked.has(code))).toEqual([]);
  });
});
