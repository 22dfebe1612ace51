import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Lines that ask where a module lies. Each is inside a function, and what it does without an answer is said here. */
const ALLOWED: Record<string, string[]> = {
  // Falls back to __filename and to the working directory.
  'native.ts': [
    "const require = process.getBuiltinModule('node:module').createRequire(thisFile());",
    'const url: string | undefined = import.meta.url;',
  ],
  // Goes on without a version.
  'opentelemetry.ts': [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a line of the file
    'const manifest = createRequire(import.meta.url)(`${NAME}/package.json`) as { version: string };',
  ],
  // A verifier service with threads needs the package's own file: it fails when it is started.
  'relying-party/verifier/worker-pool.ts': ['const require = createRequire(import.meta.url);'],
  // The command line is run from the package and is not an entry point.
  'cli/serve/store.ts': [
    "for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {",
    'return await import(pathToFileURL(createRequire(from).resolve(name)).href);',
  ],
  'cli/version.ts': [
    "const manifest = createRequire(import.meta.url)('cvm-guest-attestation/package.json') as { version: string };",
  ],
};

/** Where each entry point is bundled from, with something that shows that its code ran. */
const ENTRIES: Record<string, string> = {
  'lib/index.ts': 'typeof entry.verifyToken',
  'lib/verify.ts': 'typeof entry.verifyToken',
  'lib/relying-party/index.ts': 'typeof entry.requireAttestation',
  'lib/simulator/index.ts': 'typeof entry.SimulatedCvm',
  'lib/opentelemetry.ts': 'typeof entry.traceOperations({ tracerProvider: { getTracer: () => ({}) } })',
};

describe('where a module lies', () => {
  it('is asked for in the listed lines of lib/ alone, and never while a module is loaded', () => {
    const found: Record<string, string[]> = {};
    for (const path of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue;
      const lines = readFileSync(join(root, 'lib', path), 'utf8').split('\n');
      const asking = lines.filter(
        (line) => /import\.meta|createRequire\(|__filename|__dirname/.test(line) && !/^\s*(\/\/|\/?\*)/.test(line),
      );
      const rest = asking.filter((line) => !line.includes('__filename'));
      // A statement of the module itself begins in the first column.
      expect(asking.filter((line) => /^\S/.test(line))).toEqual([]);
      if (rest.length > 0) found[path] = rest.map((line) => line.trim());
    }
    expect(found).toEqual(ALLOWED);
  });
});

describe('a bundle in CommonJS that leaves import.meta empty', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'empty-import-meta-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(Object.entries(ENTRIES))('loads %s with nothing of the package beside it', async (entry, shown) => {
    const bundle = await rolldown({
      input: join(root, entry),
      platform: 'node',
      transform: { define: { 'import.meta': '{}', 'import.meta.url': 'undefined' } },
    });
    const file = join(folder, `${entry.replaceAll('/', '-')}.cjs`);
    await bundle.write({ file, format: 'cjs', codeSplitting: false });
    await bundle.close();
    expect(readFileSync(file, 'utf8')).not.toMatch(/import\.meta\.url|pathToFileURL\(__filename\)/);
    const program = `const entry = require(${JSON.stringify(file)}); console.log(${shown});`;
    expect(execFileSync(process.execPath, ['--eval', program], { cwd: folder, encoding: 'utf8' })).toBe('function\n');
  });
});
