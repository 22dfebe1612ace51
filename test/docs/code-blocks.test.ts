import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CodeBlock, codeBlocks, documents, root } from './code-blocks.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, root));

// Inside the project, so that `import … from 'cvm-guest-attestation'` means this working tree.
mkdirSync(path('build'), { recursive: true });
const folder = mkdtempSync(path('build/docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * The only changes made to a block before it runs: the machine it stands on and the service it talks to are the
 * simulator's.
 */
const substitutions: [RegExp, string][] = [
  [
    /new AttestationClient\(\)/g,
    'new AttestationClient({ tcti: cvm.tcti, imdsUrl: cvm.imdsUrl, eventLogPath: cvm.eventLogPath, osReleasePath: cvm.osReleasePath })',
  ],
  [/'https:\/\/shared\w+\.\w+\.attest\.azure\.net'/g, 'cvm.attestationUrl'],
  [/policy: \{/g, 'policy: { ...cvm.verification.policy,'],
  [/(\w+)Evidence\(evidence, \{(?! nonce, \.\.\.cvm)/g, '$1Evidence(evidence, { ...cvm.verification,'],
];

function program({ code, before, after, notRun }: CodeBlock): string {
  const body = notRun === undefined ? substitutions.reduce((text, [from, to]) => text.replace(from, to), code) : code;
  return [before, body, after, 'export {};', ''].join('\n');
}

const blocks = documents().flatMap(codeBlocks);
const isProgram = ({ language }: CodeBlock): boolean => language === 'ts' || language === 'js';
const name = ({ document, line }: CodeBlock): string => `${document}:${line}`;
const file = ({ document, line }: CodeBlock): string => join(folder, `${document.replace(/\W/g, '-')}-${line}`);

describe('programs in the documentation', () => {
  const programs = blocks.filter(isProgram);
  const compiled = programs.filter(({ language }) => language === 'ts').map((block) => `${file(block)}.ts`);
  const options =
    '--ignoreConfig --strict --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';

  beforeAll(() => {
    writeFileSync(
      join(folder, 'globals.d.ts'),
      `import type { SimulatedCvm } from 'cvm-guest-attestation/simulator';\ndeclare global { var cvm: SimulatedCvm }\n`,
    );
    for (const block of programs) writeFileSync(`${file(block)}.${block.language}`, program(block));
  });

  it('compile, strictly', () => {
    const { stdout } = spawnSync(
      path('node_modules/.bin/tsc'),
      [...options.split(' '), '--skipLibCheck', '--rootDir', folder, 'globals.d.ts', ...compiled],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(stdout).toBe('');
  });

  const run = programs.filter(({ notRun }) => notRun === undefined);
  it.each(run.map((block) => [name(block), block] as const))(
    '%s runs against the simulator',
    (_, block) => {
      const { status, stderr } = spawnSync(process.execPath, [path('test/docs/run-block.mjs'), `${file(block)}.js`], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 60_000,
      });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    },
    90_000,
  );
});

describe('other code in the documentation', () => {
  it('is in a language that is checked here', () => {
    const languages = new Set(blocks.map(({ language }) => language));
    for (const language of languages) expect(['ts', 'js', 'sh', 'json', 'bicep', 'text', 'cpp']).toContain(language);
  });

  it.each(blocks.filter(({ language }) => language === 'json').map((block) => [name(block), block] as const))(
    '%s is JSON',
    (_, { code }) => {
      expect(() => JSON.parse(code)).not.toThrow();
    },
  );

  const scripts = blocks.filter(({ language }) => language === 'sh').map((block) => [name(block), block] as const);
  it.each(scripts)('%s is a shell script that parses', (_, { code }) => {
    expect(() => execFileSync('bash', ['-n'], { input: code, stdio: ['pipe', 'ignore', 'pipe'] })).not.toThrow();
  });

  it.each(scripts.filter(([, { notRun }]) => notRun === undefined))(
    '%s runs on a simulated guest',
    (_, { code, before, after }) => {
      const work = mkdtempSync(join(folder, 'shell-'));
      const commandLine = path('dist/cli/main.js');
      const shims = {
        'cvm-attest': `exec node ${commandLine} "$@"`,
        npx: `[ "$1" = cvm-attest ] && shift && exec node ${commandLine} "$@"`,
      };
      mkdirSync(join(work, 'bin'));
      for (const [tool, line] of Object.entries(shims)) {
        writeFileSync(join(work, 'bin', tool), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
      }
      const onSimulator = code.replace(/https:\/\/shared\w+\.\w+\.attest\.azure\.net/g, '"$CVM_ATTEST_URL"');
      writeFileSync(join(work, 'script'), [before, onSimulator, after, ''].join('\n'));
      const { status, stderr } = spawnSync(
        process.execPath,
        [commandLine, 'simulate', '--', 'bash', '-eu', '-o', 'pipefail', 'script'],
        {
          cwd: work,
          env: { ...process.env, HOME: work, PATH: `${join(work, 'bin')}:${process.env.PATH}` },
          encoding: 'utf8',
          timeout: 60_000,
        },
      );
      expect(status, stderr).toBe(0);
    },
    90_000,
  );

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(execFileSync('npm', ['pkg', 'get', '--json'], { cwd: root, encoding: 'utf8' })) as {
      scripts: Record<string, string>;
    };
    for (const { code, language } of blocks) {
      if (language !== 'sh') continue;
      for (const [, script] of code.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([script as string]);
    }
  });
});
