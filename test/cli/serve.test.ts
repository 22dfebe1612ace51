import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evidenceToJson } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, start } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'serve-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = file('key.pem', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
const secret = file('secret', randomBytes(32));
const base = [
  'serve',
  '--issuer',
  'https://verifier.example',
  '--audience',
  'a',
  '--signing-key',
  key,
  '--secret-file',
  secret,
];

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterAll(async () => {
  await cvm.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A service in a process of its own that accepts this machine, and what it says of it. */
async function serve(machine: SimulatedCvm, more: string[]) {
  const { trustedRoots, policy } = machine.verification;
  const files = [
    '--policy',
    file('policy.json', JSON.stringify(policy)),
    '--trusted-root',
    file('root.pem', trustedRoots.join('\n')),
  ];
  const child = start([...base, ...files, '--allow-any-machine', '--port', '0', '--json', ...more]);
  let printed = '';
  child.stdout?.on('data', (data) => (printed += data));
  while (!printed.trimEnd().endsWith('}')) {
    expect(child.exitCode).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { url } = JSON.parse(printed) as { url: string };
  return {
    url,
    appraise: async (): Promise<object> => {
      await using client = machine.client();
      const evidence = JSON.parse(evidenceToJson(await client.getEvidence())) as object;
      const response = await fetch(`${url}/v1/evidence`, { method: 'POST', body: JSON.stringify({ evidence }) });
      expect(response.status).toBe(200);
      const { ear } = (await response.json()) as { ear: string };
      return JSON.parse(Buffer.from(ear.split('.')[1] ?? '', 'base64url').toString()).submods.cvm;
    },
    stop: async (): Promise<void> => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

describe('cvm-attest serve', () => {
  it.each([0, 2])('verifies evidence with %d workers until it is told to stop', async (workers) => {
    const served = await serve(cvm, ['--workers', String(workers)]);
    expect(await served.appraise()).toMatchObject({ 'ear.status': 'warning' });
    expect(await (await fetch(`${served.url}/metrics`)).text()).toContain('cvm_verifications_total{code="ok"} 1');
    await served.stop();
  });

  it('fetches the collateral of TDX where it is told to, and only there', async () => {
    await using machine = await SimulatedCvm.start({ vmType: 'tdx' });
    const fetching = await serve(machine, ['--fetch-collateral', machine.pcsUrl as string]);
    expect(await fetching.appraise()).toMatchObject({ 'ear.status': 'warning' });
    await fetching.stop();
    const offline = await serve(machine, []);
    expect(await offline.appraise()).toMatchObject({ 'ear.status': 'contraindicated' });
    await offline.stop();
  });

  it('fetches revocation lists of AMD where it is told to', async () => {
    const fetching = await serve(cvm, ['--fetch-crls', cvm.kdsUrl]);
    expect(await fetching.appraise()).toMatchObject({ 'ear.status': 'warning' });
    cvm.kds.revoked = ['ask'];
    expect(await fetching.appraise()).toMatchObject({ 'ear.status': 'warning' });
    await fetching.stop();
    const later = await serve(cvm, ['--fetch-crls', cvm.kdsUrl]);
    expect(await later.appraise()).toMatchObject({ 'ear.status': 'contraindicated' });
    await later.stop();
    cvm.kds.revoked = [];
  });

  it.each([
    ['no audience', ['serve', '--issuer', 'https://v.example', '--signing-key', key, '--secret-file', secret], 2],
    ['collateral from two places', [...base, '--collateral', key, '--fetch-collateral'], 2],
    ['revocation lists from two places', [...base, '--crl', join(folder, 'missing'), '--fetch-crls'], 2],
    ['two stores', [...base, '--redis', 'redis://127.0.0.1', '--postgres-file', key], 2],
    ['an empty URL of a store', [...base, '--redis-file', file('empty', '\n')], 2],
    ['an issuer without a scheme', [...base, '--issuer', 'foo'], 2],
    ['a token issuer without a scheme', [...base, '--token-issuer', 'foo'], 2],
    ['a context in capitals', [...base, '--context', 'BAD'], 2],
    ['a port that is none', [...base, '--port', '99999'], 2],
    ['too many workers', [...base, '--workers', '5000'], 2],
    ['a rate of nothing', [...base, '--rate', '0'], 2],
    ['half of its TLS', [...base, '--tls-cert', key], 2],
    ['a policy that names no machines', base, 3],
    ['a secret that is short', [...base, '--allow-any-machine', '--secret-file', file('short', 'x')], 3],
  ])('does not start with %s', async (_, parameters, status) => {
    expect((await cvmAttest(parameters)).status).toBe(status);
  });
});
