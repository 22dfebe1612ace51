import { describe, expect, it } from 'vitest';
import { encrypt, encryptJwe, explainToken, tokenEncryptionKey, verifyToken } from '../../lib/index.js';
import { EPHEMERAL_JWK, guestClaims, ISSUER, jwkOf, NOW, platformClaims, rsaKeys, signToken } from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };
const token = signToken(guestClaims(), keys.privateKey);

describe('slips around a token are named in the refusal', () => {
  it.each([
    ['a forgotten await', Promise.resolve(token), /is an await missing/],
    ['“Bearer ” before it', `Bearer ${token}`, /begins with “Bearer ”/],
    ['“bearer ” before it', `bearer ${token}`, /begins with “Bearer ”/],
    ['a line end behind it', `${token}\n`, /ends with a line end/],
    ['a blank before it', ` ${token}`, /begins with a blank/],
    ['an encrypted token', 'a.b.c.d.e', /is encrypted/],
  ])('verifyToken names %s', async (_, given, message) => {
    const error = await refusal(verifyToken(given as string, options), 'ERR_TOKEN_FORMAT');
    expect(error.message).toMatch(message);
  });

  it.each([
    ['without its scheme', 'sharedtest.attest.example', /scheme, such as https/],
    ['that is a port of a host', 'localhost:8080', /scheme, such as https/],
    ['with a line end', `${ISSUER}\n`, /a line end around it/],
    ['that is a promise', Promise.resolve(ISSUER), /is an await missing/],
  ])('verifyToken refuses an issuer %s before it looks at the token', async (_, issuer, message) => {
    const call = verifyToken('not even a token', { ...options, issuer: issuer as string });
    await expect(call).rejects.toMatchObject({
      name: 'AttestationError',
      code: 8,
      message: expect.stringMatching(message),
    });
  });
});

describe('explainToken', () => {
  it('resolves for what is not a token at all, with the check that says so', async () => {
    const result = await explainToken('garbage', options);
    expect(result).toMatchObject({ ok: false, checks: [{ ok: false, code: 'ERR_TOKEN_FORMAT' }] });
    expect([result.header, result.claims]).toEqual([undefined, undefined]);
  });

  it('lists what passed before a check that failed, and says what computed the signature', async () => {
    const stranger = signToken(guestClaims(), rsaKeys().privateKey);
    const { ok, checks, engine } = await explainToken(stranger, options);
    expect([ok, engine]).toEqual([false, 'native']);
    expect(checks.map((check) => check.code ?? 'ok')).toEqual(['ok', 'ok', 'ok', 'ERR_TOKEN_SIGNATURE']);
  });
});

describe('a platform token with anyone’s nonce', () => {
  const runtime = { keys: [EPHEMERAL_JWK] };
  const platform = signToken(platformClaims({ nonce: 'fresh', 'x-ms-runtime': runtime }), keys.privateKey);

  it('is not a guest’s: verifyToken and tokenEncryptionKey refuse it', async () => {
    await refusal(
      verifyToken(platform, { ...options, nonce: 'fresh', maxTokenAge: 3600 }),
      'ERR_TOKEN_ATTESTATION_TYPE',
    );
    await refusal(tokenEncryptionKey(platform, { ...options, nonce: 'fresh' }), 'ERR_TOKEN_ATTESTATION_TYPE');
    const named = tokenEncryptionKey(platform, { ...options, attestationType: 'sevsnpvm' });
    await expect(named).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
    await expect(tokenEncryptionKey(platform, { verified: true })).rejects.toMatchObject({ code: 8 });
  });

  it('carries no key that anything is encrypted to', async () => {
    await expect(encrypt(platform, new Uint8Array(4))).rejects.toMatchObject({ code: 8 });
    await expect(encrypt(platform, new Uint8Array(4), { type: 'None' })).rejects.toMatchObject({ code: 8 });
    await expect(encryptJwe(platform, new Uint8Array(4))).rejects.toMatchObject({ code: 8 });
  });

  it('leaves the guest’s own token as it was', async () => {
    const key = await tokenEncryptionKey(token, options);
    expect((await encryptJwe(key, new Uint8Array(4))).split('.')).toHaveLength(5);
    await expect(tokenEncryptionKey(token, { ...options, verified: 'yes' } as never)).rejects.toMatchObject({
      code: 8,
    });
  });
});
