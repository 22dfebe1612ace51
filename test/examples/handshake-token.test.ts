import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, decodeUnverifiedToken, type VerifyTokenOptions } from '../../lib/index.js';
import { createLoopbackTls, type LoopbackTls, SimulatedCvm } from '../../lib/simulator/index.js';
import { importExample, runExample } from './run.js';

interface HandshakeExample {
  startSecretsManager(options: {
    tls: LoopbackTls;
    secret: Uint8Array;
    expectations: VerifyTokenOptions;
  }): Promise<{ url: string; stop(): Promise<void> }>;
  post(url: string, ca: string, body: unknown): Promise<Record<string, string>>;
  fetchSecret(options: {
    client: AttestationClient;
    attestationUrl: string;
    secretsManagerUrl: string;
    ca: string;
  }): Promise<Buffer>;
}

const secret = Buffer.from('the database password');
let example: HandshakeExample;
let cvm: SimulatedCvm;
let other: SimulatedCvm;
let client: AttestationClient;
let stranger: AttestationClient;
let tls: LoopbackTls;
let manager: { url: string; stop(): Promise<void> };

beforeAll(async () => {
  example = await importExample<HandshakeExample>('handshake-token.mjs');
  [cvm, other, tls] = await Promise.all([SimulatedCvm.start(), SimulatedCvm.start(), createLoopbackTls()]);
  client = cvm.client();
  stranger = other.client();
  // Both machines are attested by services that the secrets manager trusts; only one may have the secret.
  const expectations = { issuer: [cvm.attestationUrl, other.attestationUrl], vmId: cvm.vmId };
  manager = await example.startSecretsManager({ tls, secret, expectations });
});
afterAll(async () => {
  await manager?.stop();
  await Promise.all([client?.close(), stranger?.close()]);
  await Promise.all([cvm?.stop(), other?.stop()]);
});

const ask = (path: string, body: unknown) => example.post(`${manager.url}${path}`, tls.ca.pem, body);
const freshNonce = async (): Promise<string> => (await ask('/nonce', {})).nonce ?? '';
const attested = (nonce: string, by = client, at = cvm): Promise<string> =>
  by.attest({ attestationUrl: at.attestationUrl, clientPayload: { nonce } });

describe('example: handshake with a token', () => {
  it('runs by one command', async () => {
    const { code, output } = await runExample('handshake-token.mjs');
    expect(output.split('\n')).toEqual([
      'the right guest decrypts: the database password',
      'another VM: refused: ERR_TOKEN_VM_ID',
      'a replayed nonce: refused: ERR_NONCE',
      '',
    ]);
    expect(code).toBe(0);
  });

  it('gives the right guest the secret, which its TPM decrypts', async () => {
    const options = { client, attestationUrl: cvm.attestationUrl, secretsManagerUrl: manager.url, ca: tls.ca.pem };
    expect((await example.fetchSecret(options)).equals(secret)).toBe(true);
  });

  it('gives a replayed nonce nothing', async () => {
    const nonce = await freshNonce();
    const token = await attested(nonce);
    await expect(ask('/secret', { nonce, token })).resolves.toHaveProperty('jwe');
    await expect(ask('/secret', { nonce, token })).rejects.toThrow('ERR_NONCE');
  });

  it('gives an old token with a fresh nonce nothing, nor a nonce of the guest’s own making', async () => {
    const token = await attested(await freshNonce());
    await expect(ask('/secret', { nonce: await freshNonce(), token })).rejects.toThrow('ERR_TOKEN_NONCE');
    const nonce = randomBytes(32).toString('hex');
    await expect(ask('/secret', { nonce, token: await attested(nonce) })).rejects.toThrow('ERR_NONCE');
  });

  it('gives another VM nothing, though it is attested with the right nonce', async () => {
    const nonce = await freshNonce();
    const token = await attested(nonce, stranger, other);
    await expect(ask('/secret', { nonce, token })).rejects.toThrow('ERR_TOKEN_VM_ID');
  });

  it('gives whoever has another VM’s token nothing that they could decrypt', async () => {
    const nonce = await freshNonce();
    const { jwe = '' } = await ask('/secret', { nonce, token: await attested(nonce) });
    await expect(stranger.decryptJwe(jwe)).rejects.toMatchObject({ name: 'AttestationError' });
    expect((await client.decryptJwe(jwe)).equals(secret)).toBe(true);
  });

  it('gives a guest whose policy allows debugging nothing, though a service has attested it', async () => {
    const { claims } = decodeUnverifiedToken(await attested('x'));
    const tee = claims['x-ms-isolation-tee'] as Record<string, unknown>;
    const debuggable = { ...tee, 'x-ms-sevsnpvm-is-debuggable': true };
    cvm.attestation.extraClaims = { 'x-ms-isolation-tee': debuggable } as typeof cvm.attestation.extraClaims;
    try {
      const nonce = await freshNonce();
      await expect(ask('/secret', { nonce, token: await attested(nonce) })).rejects.toThrow('ERR_TOKEN_DEBUG');
    } finally {
      cvm.attestation.extraClaims = {};
    }
  });

  it('answers rubbish without a reason, and goes on', async () => {
    for (const body of [{}, null, { nonce: 7, token: 7 }, { nonce: await freshNonce(), token: 'x' }]) {
      await expect(ask('/secret', body)).rejects.toThrow(/^refused/);
    }
    await expect(ask('/elsewhere', {})).rejects.toThrow('404');
    await expect(freshNonce()).resolves.toMatch(/^[0-9a-f]{64}$/);
  });
});
