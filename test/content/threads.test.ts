import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

/** The addon alone, in a worker: what is compiled there is JavaScript, not the library's TypeScript. */
const SCRIPT = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { ContentKey, SessionSealer, SessionOpener } = require('node-gyp-build')(workerData.root);
  const key = new ContentKey();
  const data = Buffer.alloc(workerData.size, 5);
  const iv = Buffer.alloc(12), tag = Buffer.alloc(16), aad = Buffer.alloc(0);
  (async () => {
    parentPort.postMessage('started');
    for (let i = 0; i < workerData.rounds; i++) {
      const sealed = Buffer.alloc(data.length);
      await key.sealAsync(iv, aad, tag, data, sealed);
      await key.openAsync(iv, aad, tag, sealed, sealed);
      if (!sealed.equals(data)) throw new Error('wrong plaintext');
      const sealer = new SessionSealer(key, aad, 10), opener = new SessionOpener(key, aad, false, 0);
      const message = Buffer.alloc(124), plain = Buffer.alloc(100);
      sealer.seal(data.subarray(0, 100), message);
      opener.open(message, plain);
      if (!plain.equals(data.subarray(0, 100))) throw new Error('wrong message');
    }
    parentPort.postMessage('done');
  })();
`;
const start = (rounds: number, size: number) => {
  const root = new URL('../..', import.meta.url).pathname;
  return new Worker(SCRIPT, { eval: true, workerData: { root, rounds, size } });
};
const said = (worker: Worker, what: string) =>
  new Promise<void>((resolve, reject) => {
    worker.on('message', (message) => message === what && resolve());
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('ended early')));
  });

describe('worker threads', () => {
  it('encrypt at the same time, each with its own objects', async () => {
    const workers = Array.from({ length: 3 }, () => start(10, 2_000_000));
    await Promise.all(workers.map((worker) => said(worker, 'done')));
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('can be ended while large messages are in progress', async () => {
    for (let i = 0; i < 5; i++) {
      const worker = start(1_000_000, 8_000_000);
      await said(worker, 'started');
      await worker.terminate();
    }
    expect(native().cores).toBeGreaterThan(0);
  });
});

/** Runs with 12 messages of 16 MiB in progress at once, as `messages`. */
const program = (script: string, env: NodeJS.ProcessEnv = {}) => {
  const addon = fileURLToPath(new URL('../..', import.meta.url));
  const start = `
    const { ContentKey } = require('node-gyp-build')(${JSON.stringify(addon)});
    const key = new ContentKey();
    const messages = Array.from({ length: 12 }, () => {
      const data = Buffer.alloc(16 * 2 ** 20);
      return key.sealAsync(Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(16), data, data);
    });`;
  const options = { cwd: addon, env: { ...process.env, ...env }, timeout: 100_000 };
  return promisify(execFile)(process.execPath, ['-e', start + script], options);
};

describe('a process with large messages in progress', () => {
  it('does not end by itself before they are encrypted', async () => {
    const { stdout } = await program("Promise.all(messages).then((all) => process.stdout.write('all ' + all.length));");
    expect(stdout).toBe('all 12');
  });

  it('ends at process.exit(), with the code given', async () => {
    for (const after of [0, 1, 5, 20]) {
      await expect(program(`setTimeout(() => process.exit(7), ${after});`)).rejects.toMatchObject({
        code: 7,
        stderr: '',
      });
    }
  });

  it("needs nothing of libuv's pool, which is left to files", async () => {
    // A read that ends with the input takes the pool's only thread.
    const script = `
      require('node:fs').read(0, Buffer.alloc(1), 0, 1, null, () => {});
      const data = Buffer.alloc(16 * 2 ** 20);
      key.sealAsync(Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(16), data, data)
        .then(() => process.stdout.write('encrypted'));`;
    const running = program(script, { UV_THREADPOOL_SIZE: '1' });
    running.child.stdout?.once('data', () => running.child.stdin?.end());
    expect((await running).stdout).toBe('encrypted');
  });
});

describe.skipIf(process.env.CGA_TEST_LARGE !== '1')(
  'more than 2^31 bytes in one call (needs 6 GiB; CGA_TEST_LARGE=1)',
  () => {
    it('are encrypted and decrypted in place', async () => {
      const { encryptEnvelope, decryptEnvelope } = await import('../../lib/content/envelope.js');
      const { softwareKey } = await import('./software-key.js');
      const key = softwareKey();
      const data = Buffer.alloc(2 ** 31 + 17, 3);
      const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, data, { output: data });
      expect(encryptedData).toHaveLength(2 ** 31 + 17);
      expect(encryptedData.subarray(-17).every((byte) => byte === 3)).toBe(false);
      const output = encryptedData;
      const plain = await decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap, { output, threads: 1 });
      expect([plain.length, plain[0], plain.at(-1), plain[2 ** 31]]).toEqual([2 ** 31 + 17, 3, 3, 3]);
    }, 120_000);
  },
);
