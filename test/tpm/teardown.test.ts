import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { AK_HANDLE, PCRS, TestTpm, wrapFor } from './test-tpm.js';

const message = 'a content key';
const program = (name: string): string => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));

let swtpm: TestTpm;
let ciphertext: Buffer;

beforeAll(async () => {
  swtpm = await TestTpm.start();
  const tpm = new NativeTpm({ tcti: swtpm.tcti });
  const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
  ciphertext = wrapFor(publicArea, Buffer.from(message));
  await tpm.close();
});

afterAll(() => swtpm.stop());

afterEach(async () => {
  await expect.poll(() => swtpm.loaded(), { timeout: 10_000 }).toBe(0);
});

function startWorker(clients: number, rounds: number): Worker {
  return new Worker(program('worker'), { workerData: { tcti: swtpm.tcti, ciphertext, message, clients, rounds } });
}

describe('worker threads', () => {
  it('8 with 4 clients each share a TPM with three slots', async () => {
    const workers = Array.from({ length: 8 }, () => startWorker(4, 5));
    const correct = await Promise.all(
      workers.map(async (worker) => {
        await once(worker, 'message');
        const [count] = await once(worker, 'message');
        return count as number;
      }),
    );
    expect(correct).toEqual(workers.map(() => 20));
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('can be terminated at any moment with work in flight', async () => {
    for (let i = 0; i < 30; i++) {
      const worker = startWorker(2, 1_000_000);
      await once(worker, 'message');
      await sleep(i);
      await worker.terminate();
    }
  });
});

describe('a process', () => {
  async function run(how: string): Promise<{ code: number | null; signal: string | null; stderr: string }> {
    const child = spawn(process.execPath, [program('exit'), swtpm.tcti, ciphertext.toString('hex'), how]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return { code, signal, stderr };
  }

  it.each([
    ['process.exit', 7],
    ['end', 7],
    ['throw', 1],
  ])('ends by %s with work in flight, its key flushed', async (how, code) => {
    for (let i = 0; i < 5; i++) {
      const result = await run(how);
      expect(result, result.stderr).toMatchObject({ code, signal: null });
      expect(await swtpm.loaded()).toBe(0);
    }
  });

  it('shares the TPM with other processes that want slots', async () => {
    const results = await Promise.all(Array.from({ length: 6 }, () => run('end')));
    for (const result of results) expect(result, result.stderr).toMatchObject({ code: 7, signal: null });
  });
});
