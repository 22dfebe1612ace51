import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../lib/index.js';
import { documents, root } from './code-blocks.js';

const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** Headings as GitHub makes anchors of them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const reference = readdirSync(new URL('docs/api/', root)).map((name) => `docs/api/${name}`);

describe.each([...documents(), 'docs/api.md', ...reference, 'CHANGELOG.md'])('%s', (document) => {
  it('links to files and headings that exist', () => {
    const text = read(document).replace(/^```[\s\S]*?^```$/gm, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target as string)) continue;
      const [path = '', anchor] = (target as string).split('#');
      const url = path === '' ? new URL(document, root) : new URL(path, new URL(document, root));
      expect(existsSync(url), `${document}: ${target}`).toBe(true);
      if (anchor !== undefined) expect(anchors(readFileSync(url, 'utf8')), `${document}: ${target}`).toContain(anchor);
    }
  });
});

describe('the documentation', () => {
  it.each(['docs/migrating.md', 'docs/errors.md'])('%s has every error code', (document) => {
    const text = read(document);
    for (const [name, code] of Object.entries(ErrorCode))
      expect(text).toMatch(new RegExp(`\\b${code}\\b.*\`?\\b${name}\\b`));
  });
});
