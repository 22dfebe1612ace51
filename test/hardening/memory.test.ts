import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('programs/memory-scan.mjs', import.meta.url));

it('after free() and close() a process holds neither content key nor plaintext anywhere in its memory', {
  timeout: 120_000,
}, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program]);
  const found = JSON.parse(stdout) as Record<string, { before: number; after: number; scannedMiB: number }>;
  for (const [secret, { before, after, scannedMiB }] of Object.entries(found)) {
    expect(scannedMiB, 'memory was read').toBeGreaterThan(20);
    expect(after, `${secret} is still in memory`).toBe(0);
    // The scan finds what is there: without this it could not fail.
    if (secret !== 'content key') expect(before, `${secret} while it is in use`).toBeGreaterThan(0);
  }
  expect(Object.keys(found)).toEqual(['plaintext of an envelope', 'plaintext of a block', 'content key']);
});
