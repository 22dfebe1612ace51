import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const run = promisify(execFile);

/** Processes that have to do with this folder: the software TPM, and the shell that removes it in the end. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .filter((command) => command.includes(folder))
    .map((command) => basename(command.split('\0')[0] ?? ''))
    .sort();
}

const folderOf = (cvm: SimulatedCvm): string => dirname(cvm.eventLogPath);

describe('SimulatedCvm', () => {
  it.each([
    [{ product: 'Rome' }, /product must be Milan or Genoa or Turin/],
    [{ vmType: 'sgx' }, /vmType must be/],
    [{ signedBy: 'me' }, /signedBy must be/],
    [{ vmId: undefined }, /vmId is given but undefined/],
    [{ tpm: { hclReport: { staet: 'absent' } } }, /tpm.hclReport: did you mean state/],
    [{ faults: ['gremlins'] }, /gremlins is not the name/],
    [null, /options must be a plain object/],
    ['Milan', /options must be a plain object/],
  ])('refuses %o', async (options, message) => {
    await expect(SimulatedCvm.start(options as never)).rejects.toThrow(message);
  });

  it('leaves no process, socket or folder after stop(), which is safe twice', async () => {
    const cvm = await SimulatedCvm.start();
    const folder = folderOf(cvm);
    expect(processesOf(folder)).toEqual(['sh', 'swtpm']);
    expect(cvm.tcti).toBe(`swtpm:path=${folder}/tpm`);
    const url = cvm.attestationUrl;
    await Promise.all([cvm.stop(), cvm.stop()]);
    await cvm.stop();
    expect(processesOf(folder)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('runs several at once, each with a TPM of its own', async () => {
    await using a = await SimulatedCvm.start();
    await using b = await SimulatedCvm.start({ product: 'Milan' });
    expect(a.vmId).not.toBe(b.vmId);
    await a.extendPcr(7, Buffer.alloc(32, 1));
    expect((await a.readPcrs([7])).get(7)).not.toEqual((await b.readPcrs([7])).get(7));
    expect(a.trustedRoots).toEqual(b.trustedRoots);
  });

  it('leaves nothing behind when a later step of its start fails', async () => {
    const base = await mkdtemp(join(tmpdir(), 'sim-'));
    vi.stubEnv('TMPDIR', base);
    try {
      const hclReport = { indexSize: 1300 };
      await expect(SimulatedCvm.start({ tpm: { hclReport } })).rejects.toThrow(/the HCL report takes \d+ bytes/);
      expect(await readdir(base)).toEqual([]);
      expect(processesOf(base)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await rm(base, { recursive: true });
    }
  });
});

/** The compiled package: another process cannot run TypeScript on Node 20. */
const compiled = new URL('../../dist/simulator/index.js', import.meta.url);

describe.skipIf(!existsSync(compiled))('a program that ends without stop()', () => {
  it.each([
    ['exits', 'process.exit(0)'],
    ['throws', 'throw new Error("on purpose")'],
    ['is terminated', 'process.kill(process.pid, "SIGTERM")'],
    ['is killed', 'process.kill(process.pid, "SIGKILL")'],
  ])('and %s leaves nothing behind', async (_name, ending) => {
    const program = `
      import { SimulatedCvm } from ${JSON.stringify(compiled.href)};
      const cvm = await SimulatedCvm.start();
      process.stdout.write(cvm.eventLogPath, () => { ${ending}; });`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]).catch(
      (error: { stdout: string }) => error,
    );
    const folder = dirname(stdout);
    expect(folder).toMatch(/\/cvm-sim-\w+$/);
    await expect.poll(() => processesOf(folder), { timeout: 15_000 }).toEqual([]);
    await expect.poll(() => existsSync(folder), { timeout: 15_000 }).toBe(false);
  });

  it('ends by itself when it has nothing else to do', async () => {
    const program = `
      import { SimulatedCvm } from ${JSON.stringify(compiled.href)};
      const cvm = await SimulatedCvm.start();
      await cvm.stop();`;
    await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 28_000 });
  });
});
