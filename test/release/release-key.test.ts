import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildReleasePolicy,
  parseReleasePolicy,
  type ReleasedKey,
  type ReleaseKeyParameters,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

let cvm: SimulatedCvm;
let client: ReturnType<SimulatedCvm['client']>;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client({ retry: { baseDelayMs: 5, maxRetryAfterMs: 10 } });
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

const ask = (name: string, more: Partial<ReleaseKeyParameters> = {}): Promise<ReleasedKey> =>
  client.releaseKey({ vaultUrl: cvm.keyVaultUrl, keyName: name, attestationUrl: cvm.attestationUrl, ...more });
const refusal = (name: string, more: Partial<ReleaseKeyParameters> = {}): Promise<unknown> =>
  ask(name, more).then(
    (key) => key.free(),
    (error: unknown) => error,
  );

const signs = (key: KeyObject, publicKey: KeyObject): boolean => {
  const message = Buffer.from('signed by the released key');
  return verify('sha256', message, publicKey, sign('sha256', message, key));
};

describe('releaseKey', () => {
  const kinds = [
    ['RSA-HSM', { kty: 'RSA-HSM', keySize: 2048 }, 'RSA'],
    ['RSA-HSM of 4096 bits', { kty: 'RSA-HSM', keySize: 4096 }, 'RSA'],
    ['P-256', { kty: 'EC-HSM', crv: 'P-256' }, 'EC'],
    ['P-256K', { kty: 'EC-HSM', crv: 'P-256K' }, 'EC'],
    ['P-384', { kty: 'EC-HSM', crv: 'P-384' }, 'EC'],
    ['P-521', { kty: 'EC-HSM', crv: 'P-521' }, 'EC'],
  ] as const;
  const algorithms = ['RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384', 'CKM_RSA_AES_KEY_WRAP'] as const;

  it.each(kinds)('releaseKey gets a key of type %s by all three algorithms', async (_, options, type) => {
    const { keyObject: original, kid, version } = cvm.keyVault.createKey('kinds', options);
    for (const algorithm of algorithms) {
      using key = await ask('kinds', { algorithm });
      expect(key).toMatchObject({ kid, keyVersion: version, keyType: type });
      expect(key.checks.every(({ ok }) => ok)).toBe(true);
      expect(key.keyObject.type).toBe('private');
      expect(signs(key.keyObject, createPublicKey(original))).toBe(true);
      expect(key.jwk()).toMatchObject({ kid });
      if (type === 'RSA') expect(key.pkcs8().equals(original.export({ type: 'pkcs8', format: 'der' }))).toBe(true);
    }
  });

  it('releaseKey takes a key id with a version, and says what the vault signed about the key', async () => {
    const { kid } = cvm.keyVault.createKey('facts', { kty: 'EC-HSM', tags: { team: 'storage' }, operations: ['sign'] });
    using key = await client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl });
    expect(key).toMatchObject({ curve: 'P-256', operations: ['sign'], tags: { team: 'storage' } });
    expect(key.attributes).toMatchObject({ enabled: true, exportable: true });
    expect(key.releasePolicy).toEqual(buildReleasePolicy({ authorities: [cvm.attestationUrl] }));
  });

  it('releaseKey asks for a fresh nonce each time, sends the algorithm, and verifies that both come back', async () => {
    cvm.keyVault.createKey('nonces', { kty: 'EC-HSM' });
    for (let count = 0; count < 2; count++) (await ask('nonces', { requireNonceEcho: true })).free();
    const [one, other] = cvm.keyVault.requests.slice(-2).map(({ body }) => JSON.parse(body.toString('utf8')));
    expect(one.nonce).toMatch(/^[\w-]{43}$/);
    expect(other.nonce).not.toBe(one.nonce);
    expect(one.enc).toBe('RSA_AES_KEY_WRAP_256');
  });

  it('releaseKey uses a token that attest returned', async () => {
    cvm.keyVault.createKey('given', { kty: 'EC-HSM' });
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    const before = cvm.attestation.requests.length;
    (await ask('given', { token })).free();
    expect(cvm.attestation.requests.slice(before).filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('a released key gives its bytes away no more once it is freed', async () => {
    cvm.keyVault.createKey('freed', { kty: 'EC-HSM' });
    const key = await ask('freed');
    const bytes = key.pkcs8();
    expect(key.pkcs8()).toBe(bytes);
    key.free();
    key.free();
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    for (const use of [() => key.keyObject, () => key.pkcs8(), () => key.jwk()]) {
      expect(use).toThrow(expect.objectContaining({ code: 8 }));
    }
  });

  it('a released key shows nothing of itself to inspect, JSON and errors', async () => {
    const { keyObject } = cvm.keyVault.createKey('shown', { kty: 'EC-HSM' });
    using key = await ask('shown');
    const { d = '' } = keyObject.export({ format: 'jwk' });
    const forms = [d, Buffer.from(d, 'base64url').toString('hex'), Buffer.from(d, 'base64url').toString('base64')];
    const shown = [inspect(key, { depth: 10, showHidden: true }), JSON.stringify(key), String(key)].join('\n');
    for (const form of forms) expect(shown).not.toContain(form);
    expect(() => key.raw()).toThrow(expect.objectContaining({ code: 8 }));
  });
});

describe('releaseKey and Managed HSM', () => {
  it('releaseKey gets RSA, EC and symmetric keys from a Managed HSM', { timeout: 60_000 }, async () => {
    await using hsm = await SimulatedCvm.start({ keyVault: { flavour: 'managed-hsm' } });
    await using guest = hsm.client();
    for (const options of [
      { kty: 'RSA-HSM' },
      { kty: 'EC-HSM', crv: 'P-384' },
      { kty: 'oct-HSM', keySize: 256 },
    ] as const) {
      const { keyObject } = hsm.keyVault.createKey('any', options);
      using key = await guest.releaseKey({
        vaultUrl: hsm.keyVaultUrl,
        keyName: 'any',
        attestationUrl: hsm.attestationUrl,
      });
      expect(key.keyType).toBe(options.kty.replace('-HSM', ''));
      if (key.keyType === 'oct') expect(key.raw().equals(keyObject.export())).toBe(true);
      else expect(signs(key.keyObject, createPublicKey(keyObject))).toBe(true);
    }
  });
});

describe('what becomes of a refusal', () => {
  it('a policy that the token does not meet is explained, condition by condition, when the vault may be asked for it', async () => {
    const policy = parseReleasePolicy(
      JSON.stringify({
        version: '1.0.0',
        anyOf: [
          {
            authority: cvm.attestationUrl,
            allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
          },
        ],
      }),
    );
    cvm.keyVault.createKey('strict', { kty: 'EC-HSM', policy });
    const error = await refusal('strict');
    expect(error).toMatchObject({
      name: 'VerificationError',
      code: 'ERR_RELEASE_REFUSED',
      reason: 'policy',
      status: 403,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      explanation: expect.stringContaining('guest tokens nest it'),
    });
    cvm.keyVault.permit(cvm.identities.list[0]?.clientId ?? '', ['release']);
    expect(await refusal('strict')).toMatchObject({ reason: 'policy', explanation: undefined });
    expect(await refusal('strict', { releasePolicy: policy })).toMatchObject({
      explanation: expect.stringContaining('would NOT be released'),
    });
    cvm.keyVault.permit(cvm.identities.list[0]?.clientId ?? '', ['release', 'get']);
  });

  it('releaseKey says which of the meanings a refusal has', async () => {
    cvm.keyVault.createKey('refused', { kty: 'EC-HSM' });
    expect(await refusal('nothing')).toMatchObject({ reason: 'not-found', status: 404, vaultCode: 'KeyNotFound' });
    const { clientId = '' } = cvm.identities.list[0] ?? {};
    cvm.keyVault.permit(clientId, ['get']);
    expect(await refusal('refused')).toMatchObject({ reason: 'permission', status: 403, vaultCode: 'AccessDenied' });
    cvm.keyVault.permit(clientId, ['get', 'release']);
    expect(await refusal('refused', { scope: 'https://managedhsm.azure.net/.default' })).toMatchObject({
      reason: 'credential',
      status: 401,
      message: expect.stringContaining('it wants one for https://vault.azure.net'),
    });
    cvm.keyVault.createKey('disabled', { kty: 'EC-HSM', enabled: false });
    expect(await refusal('disabled')).toMatchObject({ status: 403, reason: 'permission' });
    const getToken = async () => ({ token: 'stranger' });
    expect(await refusal('refused', { credential: { getToken } })).toMatchObject({ reason: 'credential' });
    expect(await refusal('refused', { credential: { getToken: async () => null } })).toMatchObject({ code: 3 });
  });

  it('releaseKey rejects with error 3 on a VM without an identity, and with several of which none is named', async () => {
    cvm.keyVault.createKey('identities', { kty: 'EC-HSM' });
    const [identity] = cvm.identities.list.splice(0);
    const fresh = cvm.client({ retry: { retries: 0 } });
    const params = { vaultUrl: cvm.keyVaultUrl, keyName: 'identities', attestationUrl: cvm.attestationUrl };
    await expect(fresh.releaseKey(params)).rejects.toMatchObject({
      code: 3,
      message: expect.stringContaining('assign one'),
    });
    const [one, two] = [
      { clientId: 'a', objectId: 'b' },
      { clientId: 'c', objectId: 'd', resourceId: '/e' },
    ];
    cvm.identities.list.push(one as never, two as never);
    await expect(fresh.releaseKey(params)).rejects.toMatchObject({
      code: 3,
      message: expect.stringContaining('several'),
    });
    (await fresh.releaseKey({ ...params, managedIdentity: { resourceId: '/E' } })).free();
    cvm.identities.list.splice(0, 2, identity as never);
    await fresh.close();
  });
});

describe('releaseKey while PCRs change', () => {
  it('a PCR change between attestation and release costs one new token', async () => {
    cvm.keyVault.createKey('pcrs', { kty: 'EC-HSM' });
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    await cvm.extendPcr(7, Buffer.alloc(32, 1));
    const before = cvm.attestation.requests.length;
    (await ask('pcrs', { token })).free();
    expect(cvm.attestation.requests.slice(before).filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it.each([
    [1, 'costs one new token', undefined],
    [2, 'twice is error 26', 26],
  ])('a PCR change while the vault answers, %i times: %s', async (times, _, code) => {
    cvm.keyVault.createKey('pcrs', { kty: 'EC-HSM' });
    let left = times;
    const credential = cvm.keyVault.credential();
    const vault = cvm.keyVault as unknown as { answer(request: unknown): Promise<unknown> };
    const answer = vault.answer.bind(cvm.keyVault);
    vault.answer = async (request) => {
      const result = await answer(request);
      if (left-- > 0) await cvm.extendPcr(7, Buffer.alloc(32, left + 10));
      return result;
    };
    try {
      const outcome = await refusal('pcrs', { credential });
      if (code === undefined) expect(outcome).toBeUndefined();
      else expect(outcome).toMatchObject({ name: 'AttestationError', code, tpmErrorCode: expect.any(Number) });
    } finally {
      delete (vault as { answer?: unknown }).answer;
    }
  });
});
