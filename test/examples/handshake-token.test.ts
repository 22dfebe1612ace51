import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, decodeUnverifiedToken, type VerifyTokenOptions } from '../../lib/index.js';
import type { LoopbackTls } from '../../lib/simulator/index.js';
import { HandshakeScene, type SecretsManager } from './handshake.js';
import { importExample, runExample } from './run.js';

interface HandshakeExample {
  startSecretsManager(options: {
    tls: LoopbackTls;
    secret: Uint8Array;
    expectations: VerifyTokenOptions;
  }): Promise<SecretsManager>;
  fetchSecret(options: {
    client: AttestationClient;
    attestationUrl: string;
    secretsManagerUrl: string;
    ca: string;
  }): Promise<Buffer>;
}

let example: HandshakeExample;
let scene: HandshakeScene;

beforeAll(async () => {
  example = await importExample<HandshakeExample>('handshake-token.mjs');
  scene = await HandshakeScene.start(({ tls, secret, cvm, other }) => {
    // Both machines are attested by services that the secrets manager trusts; only one may have the secret.
    const expectations = { issuer: [cvm.attestationUrl, other.attestationUrl], vmId: cvm.vmId };
    return example.startSecretsManager({ tls, secret, expectations });
  });
});
afterAll(() => scene?.stop());

const attested = (nonce: string, by = scene.client, at = scene.cvm): Promise<string> =>
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
    const options = { client: scene.client, attestationUrl: scene.cvm.attestationUrl, ...scene.access };
    expect((await example.fetchSecret(options)).equals(scene.secret)).toBe(true);
  });

  it('gives a replayed nonce nothing', async () => {
    const nonce = await scene.freshNonce();
    const token = await attested(nonce);
    await expect(scene.ask('/secret', { nonce, token })).resolves.toHaveProperty('jwe');
    await expect(scene.ask('/secret', { nonce, token })).rejects.toThrow('ERR_NONCE');
  });

  it('gives an old token with a fresh nonce nothing, nor a nonce of the guest’s own making', async () => {
    const token = await attested(await scene.freshNonce());
    await expect(scene.ask('/secret', { nonce: await scene.freshNonce(), token })).rejects.toThrow('ERR_TOKEN_NONCE');
    const nonce = randomBytes(32).toString('hex');
    await expect(scene.ask('/secret', { nonce, token: await attested(nonce) })).rejects.toThrow('ERR_NONCE');
  });

  it('gives another VM nothing, though it is attested with the right nonce', async () => {
    const nonce = await scene.freshNonce();
    const token = await attested(nonce, scene.stranger, scene.other);
    await expect(scene.ask('/secret', { nonce, token })).rejects.toThrow('ERR_TOKEN_VM_ID');
  });

  it('gives whoever has another VM’s token nothing that they could decrypt', async () => {
    const nonce = await scene.freshNonce();
    const { jwe = '' } = await scene.ask('/secret', { nonce, token: await attested(nonce) });
    await expect(scene.stranger.decryptJwe(jwe)).rejects.toMatchObject({ name: 'AttestationError' });
    expect((await scene.client.decryptJwe(jwe)).equals(scene.secret)).toBe(true);
  });

  it('gives a guest whose policy allows debugging nothing, though a service has attested it', async () => {
    const { claims } = decodeUnverifiedToken(await attested('x'));
    const tee = claims['x-ms-isolation-tee'] as Record<string, unknown>;
    const debuggable = { ...tee, 'x-ms-sevsnpvm-is-debuggable': true };
    scene.cvm.attestation.extraClaims = {
      'x-ms-isolation-tee': debuggable,
    } as typeof scene.cvm.attestation.extraClaims;
    try {
      const nonce = await scene.freshNonce();
      await expect(scene.ask('/secret', { nonce, token: await attested(nonce) })).rejects.toThrow('ERR_TOKEN_DEBUG');
    } finally {
      scene.cvm.attestation.extraClaims = {};
    }
  });

  it('answers rubbish without a reason, and goes on', async () => {
    for (const body of [{}, null, { nonce: 7, token: 7 }, { nonce: await scene.freshNonce(), token: 'x' }]) {
      await expect(scene.ask('/secret', body)).rejects.toThrow(/^refused/);
    }
    await expect(scene.ask('/elsewhere', {})).rejects.toThrow('404');
    await expect(scene.freshNonce()).resolves.toMatch(/^[0-9a-f]{64}$/);
  });
});
