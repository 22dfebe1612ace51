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

describe('cvm-attest serve', () => {
  it.each([0, 2])('verifies evidence with %d workers until it is told to stop', async (workers) => {
    const { trustedRoots, policy } = cvm.verification;
    const files = [
      '--policy',
      file('policy.json', JSON.stringify(policy)),
      '--trusted-root',
      file('root.pem', trustedRoots.join('\n')),
    ];
    const child = start([
      ...base,
      ...files,
      '--allow-any-machine',
      '--port',
      '0',
      '--workers',
      String(workers),
      '--json',
    ]);
    let printed = '';
    child.stdout?.on('data', (data) => (printed += data));
    while (!printed.trimEnd().endsWith('}')) {
      expect(child.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { url } = JSON.parse(printed) as { url: string };
    const client = cvm.client();
    const evidence = JSON.parse(evidenceToJson(await client.getEvidence())) as object;
    await client.close();
    const response = await fetch(`${url}/v1/evidence`, { method: 'POST', body: JSON.stringify({ evidence }) });
    expect(response.status).toBe(200);
    const { ear } = (await response.json()) as { ear: string };
    const claims = JSON.parse(Buffer.from(ear.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.submods.cvm['ear.status']).toBe('warning');
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('cvm_verifications_total{code="ok"} 1');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  });

  it.each([
    ['no audience', ['serve', '--issuer', 'https://v.example', '--signing-key', key, '--secret-file', secret], 2],
    ['half of its TLS', [...base, '--tls-cert', key], 2],
    ['a policy that names no machines', base, 3],
    ['a secret that is short', [...base, '--allow-any-machine', '--secret-file', file('short', 'x')], 3],
  ])('does not start with %s', async (_, parameters, status) => {
    expect((await cvmAttest(parameters)).status).toBe(status);
  });
});
