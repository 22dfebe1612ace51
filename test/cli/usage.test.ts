import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../lib/cli/completion/scripts.js';
import { commandWords } from '../../lib/cli/completion/tree.js';
import { Terminal } from '../../lib/cli/output/terminal.js';
import { buildProgram } from '../../lib/cli/program.js';
import { cvmAttest, main, scratchFolder } from './cli.js';

const terminal = new Terminal(process.stdout, process.stderr, {});
const program = buildProgram({ terminal, env: {}, signal: new AbortController().signal, exitCode: 0 });
const words = commandWords(program).filter(({ name }) => name !== 'help');
const scratch = scratchFolder();

describe('usage', () => {
  it('has the documented commands', () => {
    const documented =
      'report quote evidence verify attest token encrypt decrypt key secret policy run serve explain doctor simulate demo completion';
    expect(words.map(({ name }) => name).sort()).toEqual(documented.split(' ').sort());
  });

  it.each(words.map(({ name }) => name))('%s --help shows a description, examples and exit codes', async (name) => {
    const { status, stdout, stderr } = await cvmAttest([name, '--help']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(new RegExp(`^Usage: cvm-attest ${name}`));
    expect(stdout).toMatch(/Examples?:\n {2}/);
    expect(stdout).toContain('Exit codes: 0 success');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(130);
  });

  it('tells its version, the package’s', async () => {
    const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
    expect(await cvmAttest(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` });
  });

  it('is an executable file with a shebang', () => {
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(execFileSync(main, ['--version'], { encoding: 'utf8' })).toMatch(/^\d+\./);
  });

  it('without a command shows the help as an error', async () => {
    const { status, stdout, stderr } = await cvmAttest([]);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: cvm-attest');
  });

  it.each([
    [['repotr'], 'Did you mean report?'],
    [['report', '--fiel', 'x'], 'Did you mean --file?'],
    [['quote'], "'--nonce <bytes>' not specified"],
    [['quote', '--nonce', ''], 'It is empty'],
    [['quote', '--nonce', 'hex:0g'], 'hexadecimal'],
    [['quote', '--nonce', 'a'.repeat(65), '--tcti', 'none'], 'at most 64 bytes'],
    [['quote', '--nonce', '00', '--pcrs', '7-3'], 'numbers from 0 to 23'],
    [['quote', '--nonce', '00', '--pcrs', '24'], 'numbers from 0 to 23'],
    [['verify'], "missing required argument 'evidence'"],
    [['verify', 'x', '--now', 'tomorrow'], 'a time such as'],
    [['report', '--kds', '--certs', 'x'], 'cannot be used with'],
    [['attest', '--payload', 'a=b'], "'--url <url>' not specified"],
    [['attest', '--url', 'https://x', '--payload', 'novalue'], 'name=value'],
    [['token', 'x', '--issuer', 'https://x', '--clock-tolerance', '1h'], 'whole number'],
    [['encrypt', '--token', 'x', '--type', 'rot13'], 'stream, envelope, none'],
    [['encrypt', '--token', 'x', '--scheme', 'RSAES'], 'for --type none'],
    [['encrypt', '--token', 'x', '--metadata', 'm'], 'for --type envelope'],
    [['simulate', '--fault', 'gremlins'], '--help'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [['doctor', 'extra'], 'too many arguments'],
  ])('%j is wrong usage: exit code 2, and a word on why', async (args, message) => {
    const { status, stdout, stderr } = await cvmAttest(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it.each([
    [['report', '--file', '/nonexistent'], 'ENOENT'],
    [['report', '--file', '/'], 'EISDIR'],
    [['verify', '/nonexistent'], 'ENOENT'],
    [['token', '/nonexistent'], 'ENOENT'],
    [['report', '--tcti', 'device:/nonexistent'], '13 TPM_OPERATION_FAILURE'],
    [['decrypt', '--in', '/nonexistent'], 'ENOENT'],
    [['verify', main], '20 HCL_REPORT_PARSING_FAILURE'],
  ])('%j fails: exit code 3, and the error code', async (args, code) => {
    const { status, stdout, stderr } = await cvmAttest(args);
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(code);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('with --json prints failures as JSON too', async () => {
    const { status, stdout } = await cvmAttest(['report', '--json', '--tcti', 'device:/nonexistent']);
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: {
        code: 13,
        codeName: 'TPM_OPERATION_FAILURE',
        tpmErrorCode: expect.any(Number),
        hint: expect.stringContaining('doctor'),
      },
    });
    const missing = await cvmAttest(['verify', '/nonexistent', '--json']);
    expect(JSON.parse(missing.stdout)).toMatchObject({ ok: false, error: { code: 'ENOENT' } });
  });

  it('ends quietly when nobody reads on', async () => {
    const pipeline = `"${process.execPath}" "${main}" completion bash | head -1`;
    const { status, stderr } = await cvmAttest(['-c', pipeline], { program: 'bash' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('colours', () => {
  const onTerminal = existsSync('/usr/bin/script');
  const inTerminal = async (env: Record<string, string>): Promise<string> =>
    (
      await cvmAttest(
        [
          '-qec',
          `"${process.execPath}" "${main}" doctor --tcti device:/nonexistent --imds-url http://127.0.0.1:9`,
          '/dev/null',
        ],
        { program: 'script', env },
      )
    ).stdout;

  it.skipIf(!onTerminal)('are used on a terminal', async () => {
    expect(await inTerminal({ TERM: 'xterm' })).toContain('\u001b[31m✗');
  });

  it.skipIf(!onTerminal).each([{ TERM: 'xterm', NO_COLOR: '1' }, { TERM: 'dumb' }])(
    'are not used with %j',
    async (env) => {
      const shown = await inTerminal(env);
      expect(shown).toContain('✗');
      expect(shown).not.toContain('\u001b[3');
    },
  );

  it('are not used in a pipe', async () => {
    const { stdout, stderr } = await cvmAttest(
      ['doctor', '--tcti', 'device:/nonexistent', '--imds-url', 'http://127.0.0.1:9'],
      { env: { TERM: 'xterm' } },
    );
    expect(stdout + stderr).not.toContain('\u001b');
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'] as const)('for %s names every command and option', async (shell) => {
    const { status, stdout } = await cvmAttest(['completion', shell]);
    expect(status).toBe(0);
    expect(stdout).toBe(completionScript(shell, commandWords(program)));
    for (const { name, options } of words) {
      expect(stdout).toContain(name);
      for (const { flags } of options) expect(stdout).toContain((flags[0] as string).slice(shell === 'fish' ? 2 : 0));
    }
  });

  it('completes in bash', async () => {
    const { stdout } = await cvmAttest(['completion', 'bash']);
    const folder = scratch('files');
    mkdirSync(folder);
    for (const name of ['zebra.json', 'evidence.json']) writeFileSync(`${folder}/${name}`, '');
    const complete = (line: string[]): string[] =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cvm_attest; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'bash',
          ...line,
        ],
        { encoding: 'utf8', cwd: folder },
      )
        .split('\n')
        .filter((word) => word !== '');
    expect(complete(['cvm-attest', 'do'])).toEqual(['doctor']);
    expect(complete(['cvm-attest', 'report', '--tr'])).toEqual(['--trusted-root']);
    expect(complete(['cvm-attest', 'simulate', '--product', 'T'])).toEqual(['Turin']);
    // A name that must come first, and no file.
    expect(complete(['cvm-attest', 'completion', 'z'])).toEqual(['zsh']);
    expect(complete(['cvm-attest', 'policy', 'e'])).toEqual(['explain', 'encode']);
    expect(complete(['cvm-attest', 'policy', 'explain', 'z'])).toEqual(['zebra.json']);
    expect(complete(['cvm-attest', 'verify', 'ev'])).toEqual(['evidence.json']);
  });

  it.each(['zsh', 'fish'])('parses in %s, where that is installed', async (shell) => {
    const { stdout } = await cvmAttest(['completion', shell]);
    const installed = ['/bin', '/usr/bin'].some((folder) => existsSync(`${folder}/${shell}`));
    if (installed)
      expect(() => execFileSync(shell, ['-n'], { input: stdout, stdio: ['pipe', 'ignore', 'pipe'] })).not.toThrow();
    // Without the shell: every quote is closed on its own line.
    for (const line of stdout.split('\n')) expect((line.match(/'/g) ?? []).length % 2, line).toBe(0);
  });
});

describe('docs/cli.md', () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

  it.each(words.map((command) => [command.name, command] as const))(
    'documents %s and its options',
    (name, { options }) => {
      expect(page).toContain(`\n## ${name}\n`);
      for (const { flags } of options)
        for (const flag of flags) if (flag !== '--help' && flag !== '-h') expect(page).toContain(`\`${flag}`);
    },
  );

  it('names no option that does not exist', () => {
    const flags = new Set([...words.flatMap(({ options }) => options.flatMap((option) => option.flags)), '--version']);
    for (const [, flag] of page.matchAll(/`(--[a-z-]+)/g)) expect(flags).toContain(flag);
  });
});
