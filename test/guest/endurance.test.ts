import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/endurance.mjs', import.meta.url));

// `npm run test:endurance` runs ten times as many.
it('20 attestations and 200 decryptions in a row hold on to nothing', () => {
  const numbers = ['--attests', '20', '--decrypts', '200', '--json'];
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', script, ...numbers], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(stderr).toBe('');
  const { phases } = JSON.parse(stdout);
  expect(phases.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
  expect(phases).toHaveLength(3);
  expect(status).toBe(0);
}, 60_000);
