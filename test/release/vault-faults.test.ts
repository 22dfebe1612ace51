import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Logger } from '../../lib/index.js';
import { SimulatedCvm, type VaultFaultName, vaultFaults } from '../../lib/simulator/index.js';
import { fixture, withFixtures } from '../fixtures.js';

let cvm: SimulatedCvm;
let client: ReturnType<SimulatedCvm['client']>;
let impatient: ReturnType<SimulatedCvm['client']>;
let kid: string;
const logged: string[] = [];

beforeAll(async () => {
  const log = (message: string): void => {
    logged.push(message);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  cvm = await SimulatedCvm.start();
  const retry = { baseDelayMs: 2, maxRetryAfterMs: 5 };
  client = cvm.client({ logger, retry });
  impatient = cvm.client({ logger, retry, timeoutMs: 1500 });
  ({ kid } = cvm.keyVault.createKey('p256', { kty: 'EC-HSM' }));
  (await client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl })).free();
});
afterAll(async () => {
  await client?.close();
  await impatient?.close();
  await cvm?.stop();
});

/** What every fault ends with: the code of a refusal, or of an AttestationError. */
const OUTCOMES: Record<VaultFaultName, string | number> = {
  'kwp-bit-flip': 'ERR_RELEASE_UNWRAP',
  'kwp-last-bit-flip': 'ERR_RELEASE_UNWRAP',
  'rsa-wrong-hash': 'ERR_RELEASE_UNWRAP',
  'rsa-other-key': 'ERR_RELEASE_UNWRAP',
  'truncated-1': 'ERR_RELEASE_UNWRAP',
  'truncated-255': 'ERR_RELEASE_UNWRAP',
  'truncated-257': 'ERR_RELEASE_UNWRAP',
  'truncated-264': 'ERR_RELEASE_UNWRAP',
  'trailing-bytes': 'ERR_RELEASE_UNWRAP',
  'aes-key-128': 'ERR_RELEASE_UNWRAP',
  'aes-key-192': 'ERR_RELEASE_UNWRAP',
  'kwp-plain-kw-iv': 'ERR_RELEASE_UNWRAP',
  'kwp-mli-too-large': 'ERR_RELEASE_UNWRAP',
  'kwp-nonzero-pad': 'ERR_RELEASE_UNWRAP',
  'not-pkcs8': 'ERR_RELEASE_UNWRAP',
  'pkcs8-trailing-bytes': 'ERR_RELEASE_UNWRAP',
  'substituted-key': 'ERR_RELEASE_KEY',
  'kty-mismatch': 'ERR_RELEASE_KEY',
  'enc-downgrade': 'ERR_RELEASE_ENC',
  'key-hsm-kid': 'ERR_RELEASE_BLOB',
  'wrong-key-name': 'ERR_RELEASE_KID',
  'wrong-key-version': 'ERR_RELEASE_KID',
  'other-vault': 'ERR_RELEASE_KID',
  'nonce-mismatch': 'ERR_RELEASE_NONCE',
  'no-response': 'ERR_RELEASE_BLOB',
  'key-hsm-raw': 'ERR_RELEASE_BLOB',
  'jws-payload-tampered': 'ERR_RELEASE_SIGNATURE',
  'jws-alg-none': 'ERR_RELEASE_JWS',
  'jws-alg-hs256': 'ERR_RELEASE_JWS',
  'x5c-missing': 'ERR_RELEASE_JWS',
  'x5c-empty': 'ERR_RELEASE_JWS',
  'x5c-garbage': 'ERR_RELEASE_JWS',
  'x5c-no-intermediate': 'ERR_RELEASE_CHAIN',
  'x5c-selfsigned': 'ERR_RELEASE_CHAIN',
  'x5c-own-root': 'ERR_RELEASE_CHAIN',
  'x5c-expired': 'ERR_RELEASE_CHAIN',
  'x5c-non-ca-issuer': 'ERR_RELEASE_CHAIN',
  'x5c-wrong-host': 'ERR_RELEASE_CHAIN',
  'malformed-49': 'ERR_RELEASE_JWS',
  'malformed-51': 'ERR_RELEASE_JWS',
  'malformed-52': 'ERR_RELEASE_JWS',
  'malformed-54': 'ERR_RELEASE_JWS',
  replayed: 'ERR_RELEASE_NONCE',
  'vault-throttled': 4,
  'vault-slow': 7,
  'vault-hangs': 7,
  'vault-oversized': 'ERR_RELEASE_JWS',
  'vault-not-json': 'ERR_RELEASE_JWS',
  'vault-redirects': 5,
};

describe('wrong answers of a vault', () => {
  it.each(Object.entries(OUTCOMES))('releaseKey refuses an answer with the fault %s: %s', async (name, code) => {
    cvm.keyVault.fail(name as VaultFaultName, Number.POSITIVE_INFINITY);
    try {
      const asked = (code === 7 ? impatient : client).releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl });
      await expect(asked).rejects.toMatchObject({ code });
    } finally {
      cvm.keyVault.recover();
    }
  });

  it('every fault of a simulated vault is among those that releaseKey is tried with', () => {
    expect(Object.keys(OUTCOMES).sort()).toEqual(Object.keys(vaultFaults).sort());
  });

  it.skipIf(!withFixtures)('a simulated vault has a fault for every negative vector', () => {
    const { vectors } = JSON.parse(fixture('key-release/release-negative.json').toString('utf8'));
    for (const { name } of vectors as { name: string }[]) expect(Object.keys(vaultFaults)).toContain(name);
  });

  it('releaseKey gets the key when a vault that is busy answers in the end', async () => {
    cvm.keyVault.fail('vault-throttled', 2);
    (await client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl })).free();
  });

  it('a machine can be started with a fault of its vault by name', async () => {
    await using broken = await SimulatedCvm.start({ faults: ['x5c-selfsigned'] });
    await using guest = broken.client();
    const { kid: keyId } = broken.keyVault.createKey('k', { kty: 'EC-HSM' });
    await expect(guest.releaseKey({ keyId, attestationUrl: broken.attestationUrl })).rejects.toMatchObject({
      code: 'ERR_RELEASE_CHAIN',
    });
  });

  it('an access token is sent to no other host than the vault, and never over plain http', async () => {
    const asked: string[] = [];
    const credential = {
      getToken: async (scope: string) => {
        asked.push(scope);
        return { token: 'secret' };
      },
    };
    const hosts = [
      'https://vault.azure.net.evil.example',
      'https://evil.example/?x=.vault.azure.net',
      'http://localhost:1',
    ];
    for (const host of hosts) {
      const params = { keyId: `${host}/keys/k`, attestationUrl: cvm.attestationUrl, credential };
      await expect(client.releaseKey(params)).rejects.toMatchObject({ code: 8 });
    }
    expect(asked).toEqual([]);
  });

  it('a token whose first encryption key is not the one of this TPM is never shown to the vault', async () => {
    const { n, e } = (await import('node:crypto'))
      .generateKeyPairSync('rsa', { modulusLength: 2048 })
      .publicKey.export({ format: 'jwk' });
    const foreign = { kid: 'TpmEphemeralEncryptionKey', kty: 'RSA', n, e, key_ops: ['encrypt'] };
    for (const runtime of [{ keys: [foreign] }, { keys: [] }]) {
      cvm.attestation.extraClaims = { 'x-ms-runtime': runtime };
      const before = cvm.keyVault.requests.length;
      const payload = client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl, clientPayload: {} });
      await expect(payload).rejects.toMatchObject({ code: 'ERR_RELEASE_TOKEN_KEY' });
      expect(cvm.keyVault.requests).toHaveLength(before);
    }
    cvm.attestation.extraClaims = {};
  });

  it('a token of another machine, and one that has expired, are refused before the vault is asked', async () => {
    await using other = await SimulatedCvm.start();
    await using stranger = other.client();
    const token = await stranger.attest({ attestationUrl: other.attestationUrl });
    const before = cvm.keyVault.requests.length;
    const foreign = client.releaseKey({ keyId: kid, attestationUrl: other.attestationUrl, token });
    await expect(foreign).rejects.toMatchObject({ code: 'ERR_RELEASE_TOKEN_KEY' });
    const elsewhere = client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl, token });
    await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_TOKEN_ISSUER' });
    const own = await client.attest({ attestationUrl: cvm.attestationUrl });
    const late = {
      keyId: kid,
      attestationUrl: cvm.attestationUrl,
      token: own,
      now: new Date(Date.now() + 9 * 3_600_000),
    };
    await expect(client.releaseKey(late)).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
    expect(cvm.keyVault.requests).toHaveLength(before);
  });

  it('nothing that was logged in all of this holds a token or a key', () => {
    const bearers = cvm.keyVault.requests.map(
      ({ headers }) => headers.authorization?.slice('Bearer '.length) ?? 'none',
    );
    const targets = cvm.keyVault.requests.map(({ body }) => String(JSON.parse(body.toString('utf8') || '{}').target));
    const text = logged.join('\n');
    expect(bearers.length).toBeGreaterThan(40);
    for (const secret of [...bearers, ...targets]) expect(text).not.toContain(secret.slice(0, 60));
  });

  it('releaseKey ends with the signal, wherever it is', async () => {
    cvm.keyVault.fail('vault-hangs');
    const signal = AbortSignal.timeout(300);
    const asked = client.releaseKey({ keyId: kid, attestationUrl: cvm.attestationUrl }, { signal });
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    cvm.keyVault.recover();
  });

  const wrong: [what: string, params: object][] = [
    ['no parameters', {}],
    ['no attestation service', { attestationUrl: undefined }],
    ['a misspelt parameter', { keyid: 'x' }],
    ['an algorithm that does not exist', { algorithm: 'RSA_AES_KEY_WRAP' }],
    ['a credential without getToken', { credential: {} }],
    [
      'credential and managed identity at once',
      { credential: { getToken: () => null }, managedIdentity: { clientId: 'a' } },
    ],
    ['two ways to name an identity', { managedIdentity: { clientId: 'a', objectId: 'b' } }],
    ['an empty token', { token: '' }],
    ['a policy that is none', { releasePolicy: '{}' }],
    ['roots that are none', { trustedRoots: ['x'] }],
    ['a nonce with a line break', { nonce: 'a\nb' }],
  ];
  it.each(wrong)('releaseKey rejects with error 8 for %s', async (what, params) => {
    const usual = what === 'no parameters' ? {} : { keyId: kid, attestationUrl: cvm.attestationUrl };
    const given = { ...usual, ...params } as Parameters<typeof client.releaseKey>[0];
    await expect(client.releaseKey(given)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });
});
