import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyVaultClient } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

let cvm: SimulatedCvm;
let target: string;
let keyName: string;
let keyVersion: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const { kid } = cvm.keyVault.createKey('released', { kty: 'EC-HSM' });
  [keyName, keyVersion] = kid.split('/').slice(-2) as [string, string];
  target = await client.attest({ attestationUrl: cvm.attestationUrl });
  await client.close();
});
afterAll(() => cvm?.stop());

const vault = (options: Partial<ConstructorParameters<typeof KeyVaultClient>[1]> = {}): KeyVaultClient =>
  new KeyVaultClient(cvm.keyVaultUrl, {
    credential: cvm.keyVault.credential(),
    allowedHosts: [new URL(cvm.keyVaultUrl).host],
    trustedRoots: cvm.keyVault.trustedRoots,
    retry: { baseDelayMs: 2, maxRetryAfterMs: 5 },
    ...options,
  });

describe('client of a vault', () => {
  it('releases the newest version of a key, or the named one, with a fresh nonce every time', async () => {
    const newest = await vault().release({ keyName, target });
    const named = await vault().release({ keyName, keyVersion, target });
    expect(newest.value.split('.')).toHaveLength(3);
    expect(Buffer.from(newest.nonce, 'base64url')).toHaveLength(32);
    expect(named.nonce).not.toBe(newest.nonce);
  });

  it('sends the nonce and the algorithm that it is told', async () => {
    const { value, nonce } = await vault().release({
      keyName,
      target,
      nonce: 'mine',
      algorithm: 'RSA_AES_KEY_WRAP_384',
    });
    const { request } = JSON.parse(Buffer.from(value.split('.')[1] as string, 'base64url').toString('utf8'));
    expect(nonce).toBe('mine');
    expect(request).toMatchObject({ nonce: 'mine', enc: 'RSA_AES_KEY_WRAP_384' });
  });

  it.each([
    ['no credential', { credential: undefined as never }],
    ['an empty list of roots', { trustedRoots: [] }],
    ['a version that is none', { apiVersion: '7.4&x=1' }],
    ['a host that was not allowed', { allowedHosts: [] }],
    ['an option that does not exist', { verbose: true } as object],
  ])('is not made with %s', (_, options) => {
    expect(() => vault(options)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it.each([
    ['no target', { keyName: 'released' }],
    ['a name that would leave its path', { keyName: '../secrets/x', target: 'x' }],
    ['an unknown algorithm', { keyName: 'released', target: 'x', algorithm: 'RSA1_5' }],
  ])('sends nothing with %s', async (_, request) => {
    await expect(vault().release(request as never)).rejects.toMatchObject({ code: 8 });
  });

  it('refuses a vault whose certificate leads to none of the roots', async () => {
    const asked = new KeyVaultClient(cvm.keyVaultUrl, {
      credential: cvm.keyVault.credential(),
      allowedHosts: [new URL(cvm.keyVaultUrl).host],
      retry: { retries: 0 },
    }).release({ keyName, target });
    await expect(asked).rejects.toMatchObject({ code: 7 });
  });

  it('is refused a key that does not exist, with the reason', async () => {
    await expect(vault().release({ keyName: 'absent', target })).rejects.toMatchObject({
      status: 404,
      requestId: expect.any(String),
    });
  });

  it('stops when it is told', async () => {
    const asked = vault().release({ keyName, target }, { signal: AbortSignal.abort() });
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});
