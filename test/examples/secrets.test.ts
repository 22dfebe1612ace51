import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

describe('examples/secrets', () => {
  it('examples/secrets gets its key from a simulated vault and reads back what it wrote', { timeout: 120_000 }, () => {
    // What `npm start` runs, without installing: the command of this working tree.
    const run = ['run', '--secret', 'STORE_KEY=key:store', '--deliver', 'file', '--renew', '1h'];
    const store = [process.execPath, path('examples/secrets/store.mjs')];
    const main = path('dist/cli/main.js');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [main, 'simulate', '--key', 'store', '--', process.execPath, main, ...run, '--', ...store],
      { encoding: 'utf8' },
    );
    expect(stderr).not.toContain('error');
    expect(stdout).toContain('read back: only this machine can read this');
    expect(status).toBe(0);
  });

  it('examples/secrets/entrypoint.sh is a shell script that parses', () => {
    expect(spawnSync('sh', ['-n', path('examples/secrets/entrypoint.sh')]).status).toBe(0);
  });
});
