import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';
import { newKeyPair, publicHalf } from '../../lib/node/key-pair.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs in a process of its own, because what it looks for stops the whole thread; with a heap that is collected often. */
function survives(code: string): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--max-semi-space-size=1', '--input-type=module', '--eval', code],
    { cwd: root, encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' },
  );
  return { status, stderr };
}

/** The module as JavaScript. */
async function compiled(): Promise<string> {
  const build = await rolldown({ input: `${root}lib/node/key-pair.ts`, platform: 'node' });
  const { output } = await build.generate({ format: 'esm' });
  await build.close();
  return output[0].code;
}

describe('a generated key', () => {
  it.each([
    ['EC', { namedCurve: 'P-384' }],
    ['RSA', { modulusLength: 2048 }],
  ])('of %s is a pair, and its public half the same key', (_, kind) => {
    const { privateKey, publicKey } = newKeyPair(kind);
    expect(publicHalf(privateKey).export({ format: 'jwk' })).toEqual(publicKey.export({ format: 'jwk' }));
    expect(publicHalf(publicKey).equals(publicKey)).toBe(true);
  });

  it('can be exported while its generator is collected', { timeout: 90_000 }, async () => {
    const code = `${await compiled()}
      for (let made = 0; made < 1500; made++) {
        const { publicKey } = newKeyPair({ namedCurve: 'P-256' });
        for (let again = 0; again < 20; again++) publicKey.export({ format: 'jwk' });
      }`;
    expect(survives(code)).toEqual({ status: 0, stderr: '' });
  });

  it('comes from one place', () => {
    const others = readdirSync(`${root}lib`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && path !== 'node/key-pair.ts')
      .filter((path) => readFileSync(`${root}lib/${path}`, 'utf8').includes('generateKeyPairSync'));
    expect(others).toEqual([]);
  });

  it('is read in one place, but for texts, and for the simulator', () => {
    const others = readdirSync(`${root}lib`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && path !== 'node/private-key.ts' && !path.startsWith('simulator/'))
      .filter((path) => readFileSync(`${root}lib/${path}`, 'utf8').includes('createPrivateKey('));
    // PEM and JWK of the caller's are texts, in JavaScript's memory already.
    expect(others.sort()).toEqual(['release/wrapping-key.ts', 'relying-party/verifier/signing-keys.ts']);
  });
});
