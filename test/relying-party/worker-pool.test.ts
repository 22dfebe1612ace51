import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { AppraisalTerms } from '../../lib/relying-party/verifier/appraise.js';
import { WorkerPool } from '../../lib/relying-party/verifier/worker-pool.js';

/** Counts how often it is started, and does what is asked of it. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
Atomics.add(workerData.starts, 0, 1);
if (Atomics.load(workerData.fails, 0) === 1) throw new Error('cannot start');
parentPort.on('message', ({ id, body }) => {
  if (body === 'end') process.exit();
  parentPort.postMessage(JSON.stringify({ id, appraised: { audience: body } }));
});`;

const folder = mkdtempSync(join(tmpdir(), 'cvm-worker-'));
const file = join(folder, 'worker.cjs');
writeFileSync(file, WORKER);

afterAll(() => rmSync(folder, { recursive: true }));

let pool: WorkerPool | undefined;
afterEach(() => pool?.close());

function start(size: number, fails: boolean) {
  const counter = () => new Int32Array(new SharedArrayBuffer(4));
  const terms = { starts: counter(), fails: counter() };
  terms.fails[0] = fails ? 1 : 0;
  pool = new WorkerPool(size, terms as unknown as AppraisalTerms, file);
  return { pool, ...terms };
}

const ended = expect.objectContaining({ status: 503, code: 'ERR_WORKER_ENDED' });

describe('workers of the verifier service', () => {
  it('that cannot start are started again after a while, and the service is not ready', async () => {
    const { pool, starts, fails } = start(2, true);
    await vi.waitFor(() => expect(pool.ready).toBe(false), { timeout: 5_000, interval: 5 });
    await expect(pool.appraise('a')).rejects.toEqual(ended);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // At 0, 100, 300 and 700 ms: without a delay it would be hundreds.
    expect(starts[0]).toBeLessThanOrEqual(8);
    fails[0] = 0;
    await vi.waitFor(() => expect(pool.ready).toBe(true), { timeout: 5_000, interval: 5 });
    await vi.waitFor(async () => expect(await pool.appraise('a')).toEqual({ audience: 'a' }), {
      timeout: 5_000,
      interval: 5,
    });
  });

  it('that end are started again at once; what they were asked is refused, what the others are asked is not', async () => {
    const { pool, starts } = start(2, false);
    expect(await Promise.all(['a', 'b'].map((body) => pool.appraise(body)))).toEqual([
      { audience: 'a' },
      { audience: 'b' },
    ]);
    const [lost, kept] = await Promise.allSettled([pool.appraise('end'), pool.appraise('c')]);
    expect(lost).toMatchObject({ status: 'rejected', reason: ended });
    expect(kept).toMatchObject({ status: 'fulfilled', value: { audience: 'c' } });
    expect(pool.ready).toBe(true);
    await vi.waitFor(() => expect(starts[0]).toBe(3), { timeout: 5_000, interval: 5 });
  });

  it('are not started again by a pool that is closed', async () => {
    const { pool, starts } = start(1, true);
    await vi.waitFor(() => expect(pool.ready).toBe(false), { timeout: 5_000, interval: 5 });
    const before = starts[0];
    await pool.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(starts[0]).toBe(before);
    await expect(pool.appraise('a')).rejects.toEqual(ended);
  });
});
