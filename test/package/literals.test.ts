import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Code that runs for each call, in any engine of JavaScript. */
const FOLDERS = ['base', 'abi', 'engine', 'verify', 'token', 'content'];

/** On one line, or over several as the formatter lays them out. */
const BEGINS_WITH_A_SPREAD =
  /[^.\w]\{ \.\.\.[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*, [\w'.[][^\n]*|[{]\n\s+\.\.\.[^\n]+,\n\s+[^}\s][^\n]*/g;

describe('literals of objects', () => {
  it('do not begin with a spread and go on: V8 makes each time a new hidden class, for which nothing is cached', () => {
    const found = FOLDERS.flatMap((folder) => {
      const path = new URL(`../../lib/${folder}/`, import.meta.url);
      return readdirSync(path, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .flatMap((name) => {
          const matches = readFileSync(new URL(name, path), 'utf8').matchAll(BEGINS_WITH_A_SPREAD);
          return [...matches].map(([text]) => `${folder}/${name}: ${text}`);
        });
    });
    expect(found).toEqual([]);
  });
});
