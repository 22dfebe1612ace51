import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cvmAttest, main, scratchFolder, start } from './cli.js';

const scratch = scratchFolder();

/** Processes that have `text` on their command line. */
function processes(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });
}

/** A temporary folder of the test's own, so that what is left over can be told from others'. */
function emptyTmp(name: string): string {
  const folder = scratch(name);
  execFileSync('mkdir', [folder]);
  return folder;
}

describe('demo', () => {
  it('shows everything, prints the claims and leaves nothing', async () => {
    const tmp = emptyTmp('demo');
    const { status, stdout } = await cvmAttest(['demo'], { env: { TMPDIR: tmp } });
    expect(status).toBe(0);
    for (const line of [
      /compliance +azure-compliant-cvm/,
      /secure boot +yes/,
      /✓ “The launch code is 4711.”\n/,
      /✓ refused: 26 DATA_DECRYPTION_TPM_ERROR/,
      /✓ 24 bytes zeroed/,
      /✓ no process, socket or folder is left\n$/,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(stdout.match(/refused: 26/g)).toHaveLength(2);
    expect(readdirSync(tmp)).toEqual([]);
    expect(processes(tmp)).toEqual([]);
  });

  it.each([50, 400, 800, 1200])('leaves nothing either when it is ended after %i ms', async (delay) => {
    const tmp = emptyTmp(`demo-${delay}`);
    const child = start(['demo'], { env: { TMPDIR: tmp } });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    await sleep(delay);
    child.kill('SIGINT');
    // Before Node is up the signal ends it like any program; a fast machine may be through already.
    expect([130, 0, null]).toContain(await closed);
    expect(readdirSync(tmp)).toEqual([]);
    expect(processes(tmp)).toEqual([]);
  });
});

describe('simulate', () => {
  it('serves other processes until Ctrl-C, and leaves nothing', async () => {
    const tmp = emptyTmp('simulate');
    const file = scratch('guest.env');
    const child = start(['simulate', '--tls', '--write-env', file], { env: { TMPDIR: tmp } });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    while (!existsSync(file) || !stdout.includes('NODE_EXTRA_CA_CERTS')) await sleep(50);
    expect(readFileSync(file, 'utf8')).toBe(stdout);

    // As a user would: source it and go on in the shell.
    const script = `. ${file}; "${process.execPath}" "${main}" attest | "${process.execPath}" "${main}" token --issuer "$CVM_ATTEST_URL" --json`;
    const { status, stdout: token } = await cvmAttest(['-c', script], { program: 'sh' });
    expect(status).toBe(0);
    expect(JSON.parse(token)).toMatchObject({
      ok: true,
      verified: true,
      claims: { iss: expect.stringMatching(/^https:\/\/localhost:/) },
    });

    child.kill('SIGINT');
    expect(await closed).toBe(0);
    expect(existsSync(file)).toBe(false);
    expect(readdirSync(tmp)).toEqual([]);
    expect(processes(tmp)).toEqual([]);
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('ends cleanly on %s as well', async (signal) => {
    const tmp = emptyTmp(signal);
    const child = start(['simulate', '--json'], { env: { TMPDIR: tmp } });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    let stdout = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      stdout += chunk.toString();
      if (stdout.endsWith('}\n')) break;
    }
    const { environment, pid } = JSON.parse(stdout) as { environment: Record<string, string>; pid: number };
    expect(pid).toBe(child.pid);
    expect(existsSync(dirname(environment.CVM_ATTEST_EVENT_LOG as string))).toBe(true);
    child.kill(signal);
    expect(await closed).toBe(0);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('runs one command on a guest and ends with its exit code', async () => {
    const tmp = emptyTmp('command');
    const run = (args: string[]): ReturnType<typeof cvmAttest> =>
      cvmAttest(['simulate', ...args], { env: { TMPDIR: tmp } });
    const verified = await run(['--product', 'Turin', '--', process.execPath, main, 'report', '--json']);
    expect(verified.status).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, product: 'Turin', report: { version: 5 } });
    const refused = await run([
      '--fault',
      'debug-policy',
      '--fault',
      'expired-vcek',
      process.execPath,
      main,
      'report',
      '--json',
    ]);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain('ERR_CERTIFICATE_EXPIRED');
    expect(refused.stdout).toContain('ERR_POLICY');
    expect((await run(['--', 'sh', '-c', 'exit 42'])).status).toBe(42);
    expect(await run(['--', '/nonexistent'])).toMatchObject({ status: 3, stderr: expect.stringContaining('ENOENT') });
    expect(readdirSync(tmp)).toEqual([]);
  });
});
