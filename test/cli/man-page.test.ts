import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { commandWords } from '../../lib/cli/completion/tree.js';
import { Terminal } from '../../lib/cli/output/terminal.js';
import { buildProgram } from '../../lib/cli/program.js';

const root = new URL('../../', import.meta.url);
const { man } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { man: string[] };
const page = readFileSync(new URL(man[0] as string, root), 'utf8');
const plain = page.replaceAll('\\-', '-');

const terminal = new Terminal(process.stdout, process.stderr, {});
const program = buildProgram({ terminal, env: {}, signal: new AbortController().signal, exitCode: 0 });
const commands = commandWords(program).filter(({ name }) => name !== 'help');

describe('the manual page', () => {
  it('is one of a list, which npm installs where man looks', () => {
    expect(man).toEqual(['./dist/cvm-attest.1']);
  });

  it.each(commands.map((command) => [command.name, command] as const))(
    'has %s with its options',
    (name, { options }) => {
      const section = new RegExp(`^\\.SS ${name} [^]*?(?=^\\.S[SH] )`, 'm').exec(plain)?.[0];
      expect(section).toMatch(/^Examples?:\n {2}/m);
      for (const flag of options.map(({ flags }) => flags[0]).filter((long) => long !== '--help')) {
        expect(section).toMatch(new RegExp(`^\\.B (-\\w, )?${flag}( |$)`, 'm'));
      }
    },
  );

  it('has every exit code and environment variable', () => {
    for (const word of ['0', '1', '2', '3', '130', 'TSS2_TCTI', 'CVM_ATTEST_URL', 'NO_COLOR']) {
      expect(plain).toMatch(new RegExp(`^\\.B ${word}$`, 'm'));
    }
  });

  const groff = ['/usr/bin/groff', '/usr/local/bin/groff'].find((path) => existsSync(path));
  it.skipIf(groff === undefined)('is set without a warning (where groff is installed)', () => {
    const { stdout, stderr } = spawnSync(groff as string, ['-man', '-Tutf8', '-ww', '-P-c'], {
      input: page,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toContain('CVM-ATTEST(1)');
  });
});
