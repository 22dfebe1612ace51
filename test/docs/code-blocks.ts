import { readdirSync, readFileSync } from 'node:fs';

export const root = new URL('../../', import.meta.url);

/** Fenced code of a document, with the instructions that stand before it in HTML comments, which readers do not see. */
export interface CodeBlock {
  document: string;
  line: number;
  language: string;
  code: string;
  /** `<!-- not run: REASON -->`: the code is checked, not executed. */
  notRun?: string;
  /** `<!-- given: CODE -->`: statements that run before it. */
  before: string;
  /** `<!-- then: CODE -->`: statements that run after it. */
  after: string;
}

/** Every guide that has code in it; the API reference is generated and compared as a whole instead. */
export function documents(): string[] {
  const guides = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md') && name !== 'api.md');
  return ['README.md', 'CONTRIBUTING.md', ...guides.map((name) => `docs/${name}`)];
}

export function codeBlocks(document: string): CodeBlock[] {
  const lines = readFileSync(new URL(document, root), 'utf8').split('\n');
  const blocks: CodeBlock[] = [];
  let notes: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (line.startsWith('<!--')) {
      const end = lines.findIndex((text, index) => index >= at && text.includes('-->'));
      notes.push(
        lines
          .slice(at, end + 1)
          .join('\n')
          .slice('<!--'.length, -'-->'.length)
          .trim(),
      );
      at = end;
      continue;
    }
    const fence = /^```([\w-]*)/.exec(line);
    if (fence !== null) {
      const end = lines.indexOf('```', at + 1);
      if (end === -1) throw new Error(`${document}:${at + 1}: code without an end`);
      const note = (name: string): string[] =>
        notes.filter((text) => text.startsWith(`${name}:`)).map((text) => text.slice(name.length + 1).trim());
      const [notRun] = note('not run');
      blocks.push({
        document,
        line: at + 1,
        language: fence[1] ?? '',
        code: lines.slice(at + 1, end).join('\n'),
        ...(notRun === undefined ? {} : { notRun }),
        before: note('given').join('\n'),
        after: note('then').join('\n'),
      });
      at = end;
    }
    if (line.trim() !== '') notes = [];
  }
  return blocks;
}
