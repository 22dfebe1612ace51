import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe.skipIf(!existsSync(`${root}/dist/index.js`))('the three-replica example', () => {
  it('gives the secret to the machine, and to nobody who repeats its proof on another replica', async () => {
    const output = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, ['examples/three-replicas.mjs'], { cwd: root }, (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      );
    });
    expect(output.match(/gets its secret of replica/g)).toHaveLength(3);
    expect(output).toContain('whoever only has its token gets 401 ERR_PROOF_REQUIRED');
    expect(output).toMatch(/to all three replicas: 200, 401 ERR_CHALLENGE_USED, 401 ERR_CHALLENGE_USED/);
  });
});
