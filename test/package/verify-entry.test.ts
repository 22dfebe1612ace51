import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import * as whole from '../../lib/index.js';
import * as portable from '../../lib/verify.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A program for a browser, minified, that has these exports of `./verify`. */
async function bundle(names: string): Promise<{ code: string; imports: string[]; files: string[] }> {
  const program = '\0program';
  const built = await rolldown({
    input: program,
    platform: 'browser',
    cwd: root,
    plugins: [
      {
        name: 'program',
        resolveId: (id) => (id === program ? id : null),
        load: (id) => (id === program ? `export ${names} from ${JSON.stringify(`${root}lib/verify.ts`)};` : null),
      },
    ],
  });
  const { output } = await built.generate({ format: 'esm', minify: true, codeSplitting: false });
  await built.close();
  const [chunk] = output;
  return { code: chunk.code, imports: chunk.imports, files: Object.keys(chunk.modules) };
}

describe('cvm-guest-attestation/verify', () => {
  let everything: Awaited<ReturnType<typeof bundle>>;
  beforeAll(async () => {
    everything = await bundle('*');
  });

  it('imports nothing: no node: module, no package, no addon', () => {
    expect(everything.imports).toEqual([]);
    const folders = everything.files.filter((path) => path.includes('node_modules'));
    expect(folders).toEqual([]);
    for (const file of [
      'native.ts',
      'engine/native.ts',
      'engine/node.ts',
      'http/node-transport.ts',
      'node/context.ts',
    ]) {
      expect(everything.files.filter((path) => path.endsWith(`/lib/${file}`))).toEqual([]);
    }
  });

  it('asks neither for the platform nor for anything else of Node, and generates no code', () => {
    const words = [
      ...[/\bprocess\b/, /\bBuffer\b/, /\b__dirname\b/, /import\.meta/, /[^.\w]require\(/],
      ...[/\beval\s*\(/, /\bnew Function\b/, /[^.\w]Function\(/],
    ];
    // Not toMatch: it would print the whole bundle.
    const found = words.map((word) => word.exec(everything.code)).filter((match) => match !== null);
    expect(found.map(({ index }) => everything.code.slice(index - 60, index + 60))).toEqual([]);
  });

  it.each([
    ['a token', 20_700, '{ verifyToken, tokenEncryptionKey, encryptJwe }'],
    ['an SNP report', 22_700, '{ verifySnpReport }'],
    ['a TD quote', 26_200, '{ verifyTdQuote }'],
    [
      'evidence of both TEEs and tokens',
      56_000,
      '{ verifyEvidence, verifyToken, tokenEncryptionKey, encryptJwe, parsePolicy, evidenceFromJson }',
    ],
    ['everything', 73_300, '*'],
  ])('a page that verifies %s loads less than %d bytes of it, gzipped', async (_, limit, names) => {
    const { code } = names === '*' ? everything : await bundle(names);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(limit);
  });

  it('has nothing that the whole package has not, and the same classes of errors', () => {
    expect(Object.keys(portable).filter((name) => !(name in whole))).toEqual([]);
    expect(portable.AttestationError).toBe(whole.AttestationError);
    expect(portable.VerificationError).toBe(whole.VerificationError);
  });

  it('is loaded by Node without any builtin that its own runtime had not loaded', () => {
    const code = `
      const before = new Set(process.moduleLoadList);
      await import('cvm-guest-attestation/verify');
      const loaded = process.moduleLoadList.filter((name) => !before.has(name) && name.startsWith('NativeModule '));
      console.log(JSON.stringify(loaded.map((name) => name.slice(13)).filter((name) => !name.startsWith('internal/'))));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: root,
      encoding: 'utf8',
    });
    // TextDecoder's own.
    expect(JSON.parse(output)).toEqual(['string_decoder']);
  });
});
