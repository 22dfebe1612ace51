import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildReleasePolicy, encodeReleasePolicy, parseReleasePolicy, verifyReleaseResponse } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

/** What is used of `@azure/keyvault-keys`: the package is not there when the project's types are checked. */
interface SdkKey {
  id?: string;
  keyType?: string;
  properties: {
    version?: string;
    exportable?: boolean;
    releasePolicy?: { encodedPolicy?: Uint8Array; immutable?: boolean };
  };
  key?: Record<string, unknown>;
}
interface SdkClient {
  createKey(name: string, type: string, options: object): Promise<SdkKey>;
  createEcKey(name: string, options: object): Promise<SdkKey>;
  importKey(name: string, key: object, options: object): Promise<SdkKey>;
  getKey(name: string, options?: object): Promise<SdkKey>;
  updateKeyProperties(name: string, options: object): Promise<SdkKey>;
  releaseKey(name: string, token: string, options?: object): Promise<{ value: string }>;
}
type Sdk = { KeyClient: new (url: string, credential: object, options: object) => SdkClient };

let cvm: SimulatedCvm;
let sdk: SdkClient;
let token: string;
let policy: { encodedPolicy: Uint8Array; immutable?: boolean };

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  // The client takes the roots of the environment; a private one is handed in with its own option.
  const { KeyClient } = createRequire(import.meta.url)('@azure/keyvault-keys') as Sdk;
  sdk = new KeyClient(cvm.keyVaultUrl, cvm.keyVault.credential(), {
    disableChallengeResourceVerification: true,
    tlsOptions: { ca: cvm.keyVault.trustedRoots[0] },
    retryOptions: { maxRetries: 0 },
  });
  await using client = cvm.client();
  token = await client.attest({ attestationUrl: cvm.attestationUrl });
  const { data } = encodeReleasePolicy(buildReleasePolicy({ authorities: [cvm.attestationUrl] }));
  policy = { encodedPolicy: Buffer.from(data, 'base64url') };
});
afterAll(() => cvm?.stop());

const options = (more: object = {}): object => ({ exportable: true, releasePolicy: policy, ...more });
describe('@azure/keyvault-keys 4.10.2, unmodified', () => {
  it('creates exportable keys, whose policy comes back as a tree', async () => {
    const created = await sdk.createKey('rsa', 'RSA-HSM', options());
    expect(created).toMatchObject({ keyType: 'RSA-HSM', properties: { exportable: true } });
    const { properties } = await sdk.getKey('rsa');
    expect(parseReleasePolicy(properties.releasePolicy?.encodedPolicy ?? new Uint8Array())).toEqual(
      buildReleasePolicy({ authorities: [cvm.attestationUrl] }),
    );
  });

  it('releases keys, by every algorithm and by the SHA-1 of its default', async () => {
    await sdk.createEcKey('ec', options({ hsm: true, curve: 'P-256' }));
    await using client = cvm.client();
    for (const algorithm of [
      undefined,
      'CKM_RSA_AES_KEY_WRAP',
      'RSA_AES_KEY_WRAP_256',
      'RSA_AES_KEY_WRAP_384',
    ] as const) {
      const nonce = 'bm9uY2U';
      const { value } = await sdk.releaseKey('ec', token, algorithm === undefined ? {} : { algorithm, nonce });
      const release = await verifyReleaseResponse(value, {
        vaultHost: cvm.keyVault.host,
        keyName: 'ec',
        algorithm: algorithm ?? 'CKM_RSA_AES_KEY_WRAP',
        trustedRoots: cvm.keyVault.trustedRoots,
        ...(algorithm === undefined ? {} : { nonce }),
      });
      expect(release.keyType).toBe('EC');
    }
    using key = await client.releaseKey({
      vaultUrl: cvm.keyVaultUrl,
      keyName: 'ec',
      attestationUrl: cvm.attestationUrl,
    });
    expect(createPublicKey(key.keyObject).asymmetricKeyType).toBe('ec');
  });

  it('imports a key, which is released as it was', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = privateKey.export({ format: 'jwk' });
    const bytes = Object.fromEntries(
      Object.entries(jwk).map(([name, value]) => [
        name,
        name === 'kty' ? 'RSA-HSM' : Buffer.from(String(value), 'base64url'),
      ]),
    );
    await sdk.importKey('imported', bytes, options({ hardwareProtected: true }));
    await using client = cvm.client();
    using key = await client.releaseKey({
      vaultUrl: cvm.keyVaultUrl,
      keyName: 'imported',
      attestationUrl: cvm.attestationUrl,
    });
    expect(key.keyObject.equals(privateKey)).toBe(true);
  });

  it('meets the refusals of the service in its own words', async () => {
    const refusal = (asked: Promise<unknown>): Promise<unknown> => asked.catch((error: unknown) => error);
    expect(await refusal(sdk.createKey('no-policy', 'RSA-HSM', { exportable: true }))).toMatchObject({
      statusCode: 400,
      code: 'BadParameter',
      message: expect.stringContaining('AKV.SKR.1004'),
    });
    expect(await refusal(sdk.createKey('software', 'RSA', options()))).toMatchObject({
      message: expect.stringContaining('AKV.SKR.1006'),
    });
    expect(await refusal(sdk.getKey('missing'))).toMatchObject({ statusCode: 404, code: 'KeyNotFound' });
    await sdk.createEcKey('fixed', options({ hsm: true, releasePolicy: { ...policy, immutable: true } }));
    const changed = sdk.updateKeyProperties('fixed', { releasePolicy: policy });
    expect(await refusal(changed)).toMatchObject({ statusCode: 400, message: expect.stringContaining('AKV.SKR.1020') });
    expect(await refusal(sdk.releaseKey('fixed', 'e30.e30.e30'))).toMatchObject({ statusCode: 403 });
  });
});
