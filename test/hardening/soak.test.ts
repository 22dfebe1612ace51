import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/soak.mjs', import.meta.url));

// `npm run soak` is the long run of the same.
it('threads with several clients share a TPM of three slots, and end at any moment', { timeout: 300_000 }, async () => {
  const run = promisify(execFile)(process.execPath, [
    ...['--expose-gc', script, '--calls', '240', '--teardowns', '18', '--json'],
  ]);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: true,
    load: { calls: 240, handlesLeft: 0, wrong: [] },
    teardown: { crashes: [], handlesLeft: { 'worker.terminate()': 0, 'end of a thread': 0 } },
  });
});
