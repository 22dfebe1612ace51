import { constants, createPrivateKey, createPublicKey, type JsonWebKey, privateDecrypt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  explainReleaseResponse,
  type ReleaseAlgorithm,
  type ReleaseResponseOptions,
  unwrapReleasedKey,
  verifyReleaseResponse,
} from '../../lib/index.js';
import { softwareDecrypt, unwrapReleased } from '../../lib/release/unwrap.js';
import { fixture, withFixtures } from '../fixtures.js';

interface Vector {
  name: string;
  vaultHost: string;
  wrappingKey: string;
  enc: ReleaseAlgorithm;
  plaintext: string;
  jwk: JsonWebKey;
  value: string;
  keyName?: string;
  keyVersion?: string;
  nonce?: string;
}

const json = (path: string) => JSON.parse(fixture(`key-release/${path}`).toString('utf8'));
const text = (path: string): string => fixture(`key-release/${path}`).toString('utf8');
const positives = (): Vector[] => json('release.json').vectors;
const negatives = (): Vector[] => json('release-negative.json').vectors;

const optionsOf = (vector: Vector): ReleaseResponseOptions => ({
  vaultHost: vector.vaultHost,
  algorithm: vector.enc,
  wrappingKey: text(vector.wrappingKey),
  trustedRoots: [text('pki/root.pem')],
  ...(vector.keyName !== undefined && { keyName: vector.keyName }),
  ...(vector.keyVersion !== undefined && { keyVersion: vector.keyVersion }),
  ...(vector.nonce !== undefined && { nonce: vector.nonce }),
});

const outcome = (value: string, options: ReleaseResponseOptions): Promise<unknown> =>
  verifyReleaseResponse(value, options).catch((error: unknown) => error);

describe.skipIf(!withFixtures)('verifyReleaseResponse with the vectors', () => {
  it('verifyReleaseResponse accepts and unwraps every one of the 38 good answers', { timeout: 60_000 }, async () => {
    const vectors = positives();
    expect(vectors).toHaveLength(38);
    for (const vector of vectors) {
      const release = await verifyReleaseResponse(vector.value, optionsOf(vector));
      expect(
        release.checks.every(({ ok }) => ok),
        vector.name,
      ).toBe(true);
      const { key } = release;
      if (key === undefined) throw new Error(vector.name);
      const bytes = key.keyType === 'oct' ? key.raw() : key.pkcs8();
      expect(bytes.equals(Buffer.from(vector.plaintext, 'base64')), vector.name).toBe(true);
      const { kid: _, ...jwk } = key.jwk();
      for (const [member, value] of Object.entries(jwk)) {
        if (member !== 'crv') expect(value, `${vector.name} ${member}`).toBe(vector.jwk[member]);
      }
      key.free();
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  const CODES: Record<string, string> = {
    'kwp-bit-flip': 'ERR_RELEASE_UNWRAP',
    'kwp-last-bit-flip': 'ERR_RELEASE_UNWRAP',
    'rsa-wrong-hash': 'ERR_RELEASE_UNWRAP',
    'rsa-other-key': 'ERR_RELEASE_UNWRAP',
    'truncated-1': 'ERR_RELEASE_UNWRAP',
    'truncated-255': 'ERR_RELEASE_UNWRAP',
    'truncated-257': 'ERR_RELEASE_UNWRAP',
    'truncated-264': 'ERR_RELEASE_UNWRAP',
    'aes-key-128': 'ERR_RELEASE_UNWRAP',
    'aes-key-192': 'ERR_RELEASE_UNWRAP',
    'kwp-plain-kw-iv': 'ERR_RELEASE_UNWRAP',
    'kwp-mli-too-large': 'ERR_RELEASE_UNWRAP',
    'kwp-nonzero-pad': 'ERR_RELEASE_UNWRAP',
    'not-pkcs8': 'ERR_RELEASE_UNWRAP',
    'substituted-key': 'ERR_RELEASE_KEY',
    'kty-mismatch': 'ERR_RELEASE_KEY',
    'enc-downgrade': 'ERR_RELEASE_ENC',
    'key-hsm-kid': 'ERR_RELEASE_BLOB',
    'wrong-key-name': 'ERR_RELEASE_KID',
    'wrong-key-version': 'ERR_RELEASE_KID',
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
    'x5c-non-ca-issuer': 'ERR_RELEASE_CHAIN',
    'x5c-wrong-host': 'ERR_RELEASE_CHAIN',
    'malformed-49': 'ERR_RELEASE_JWS',
    'malformed-51': 'ERR_RELEASE_JWS',
    'malformed-52': 'ERR_RELEASE_JWS',
    'malformed-54': 'ERR_RELEASE_JWS',
  };

  it('verifyReleaseResponse refuses every one of the 37 bad answers for the right reason', async () => {
    const vectors = negatives();
    expect(vectors.map(({ name }) => name)).toEqual(Object.keys(CODES));
    for (const vector of vectors) {
      const error = await outcome(vector.value, optionsOf(vector));
      expect(error, vector.name).toMatchObject({ name: 'VerificationError', code: CODES[vector.name] });
      expect((error as { checks: unknown[] }).checks.length, vector.name).toBeGreaterThan(0);
    }
  });

  it('verifyReleaseResponse lists every check, also of an answer that it refuses', async () => {
    const vector = negatives().find(({ name }) => name === 'x5c-selfsigned') as Vector;
    const { ok, checks } = await explainReleaseResponse(vector.value, optionsOf(vector));
    expect(ok).toBe(false);
    expect(checks.map(({ name }) => name)).toEqual([
      'answer is a JWS',
      'signature algorithm',
      'no critical header extension',
      'certificates of the answer',
      'certificate path',
      'certificate is for the vault',
      "certificate's key",
      'signature',
      'payload',
      'key id',
      'vault',
      'key name',
      'key version',
      'wrapped key',
      'algorithm of the request',
      'algorithm of the wrapped key',
      'wrapped directly',
      'wrapping key',
      'nonce',
      'length of the wrapped key',
      'public key',
      'key is enabled',
      'key is exportable',
      'key is valid already',
      'key is valid still',
      'unwrapped',
    ]);
    expect(checks.filter((check) => !check.ok).map(({ code }) => code)).toEqual([
      'ERR_RELEASE_CHAIN',
      'ERR_NOT_CHECKED',
    ]);
  });

  it('verifyReleaseResponse needs no private key, and unwrapReleasedKey unwraps with one that is elsewhere', async () => {
    const vector = positives()[3] as Vector;
    const privateKey = text(vector.wrappingKey);
    const wrappingKey = createPublicKey(privateKey).export({ format: 'jwk' });
    const release = await verifyReleaseResponse(vector.value, { ...optionsOf(vector), wrappingKey });
    expect(release.key).toBeUndefined();
    expect(release.checks.filter(({ skipped }) => skipped).map(({ name }) => name)).toContain('unwrapped');
    const asked: object[] = [];
    using key = await unwrapReleasedKey(release, (block, options) => {
      asked.push(options);
      return privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, block);
    });
    expect(asked).toEqual([{ type: 'None', scheme: 'RSA-OAEP', hash: 'SHA-256' }]);
    expect(key.pkcs8().equals(Buffer.from(vector.plaintext, 'base64'))).toBe(true);
    expect(key.checks.every(({ ok, skipped }) => (ok && !skipped) || skipped)).toBe(true);
  });

  it('verifyReleaseResponse verifies a genuine answer of Key Vault at its time, and not today', async () => {
    const { value } = json('genuine/akv-release-p256-20220504.json') as { value: string };
    const header = JSON.parse(Buffer.from(value.split('.')[0] as string, 'base64url').toString());
    const payload = JSON.parse(Buffer.from(value.split('.')[1] as string, 'base64url').toString());
    const blob = JSON.parse(Buffer.from(payload.response.key.key.key_hsm, 'base64url').toString());
    const { n, e } = json('keys/wrap-rsa2048.jwk.json');
    const { host, pathname } = new URL(payload.response.key.key.kid);
    const options: ReleaseResponseOptions = {
      vaultHost: host,
      keyName: pathname.split('/')[2] as string,
      keyVersion: pathname.split('/')[3] as string,
      wrappingKey: { kty: 'RSA', n, e, kid: blob.header.kid },
      trustedRoots: [Buffer.from(header.x5c[2], 'base64')],
      now: new Date('2022-05-06T12:00:00Z'),
    };
    const release = await verifyReleaseResponse(value, options);
    expect(release).toMatchObject({ keyType: 'EC', curve: 'P-256', nonceEchoed: false });
    expect(await outcome(value, { ...options, now: new Date() })).toMatchObject({ code: 'ERR_RELEASE_CHAIN' });
    const { trustedRoots: _, ...withoutRoots } = options;
    expect(await outcome(value, withoutRoots)).toMatchObject({ code: 'ERR_RELEASE_CHAIN' });
    expect(await outcome(value, { ...options, vaultHost: 'other.vault.azure.net' })).toMatchObject({
      code: 'ERR_RELEASE_KID',
    });
    expect(await outcome(value, { ...options, requireNonceEcho: true })).toMatchObject({ code: 'ERR_RELEASE_NONCE' });
  });

  it('unwrapReleased opens the blob of the sidecar container with SHA-1, and not with SHA-256', async () => {
    const { wrappingKeyPem, ciphertext, plaintextHex } = json('genuine/sidecar-ckm-oct.json');
    const blob = Buffer.from(ciphertext, 'base64url');
    const decrypt = softwareDecrypt(createPrivateKey(wrappingKeyPem));
    const secret = await unwrapReleased(blob, 256, 'CKM_RSA_AES_KEY_WRAP', decrypt);
    expect(Buffer.from(secret.copy()).toString('hex')).toBe(plaintextHex);
    await expect(unwrapReleased(blob, 256, 'RSA_AES_KEY_WRAP_256', decrypt)).rejects.toMatchObject({
      name: 'NotUnwrapped',
    });
  });

  const wrong: [what: string, change: object][] = [
    ['no host', { vaultHost: undefined }],
    ['an address in place of a host', { vaultHost: 'https://contoso.vault.azure.net' }],
    ['a misspelt option', { keyname: 'p256' }],
    ['an option that got lost', { keyName: undefined }],
    ['an unknown algorithm', { algorithm: 'RSA_AES_KEY_WRAP_512' }],
    ['HMAC among the signature algorithms', { signatureAlgorithms: ['HS256'] }],
    ['roots that are none', { trustedRoots: ['root'] }],
    ['no roots at all', { trustedRoots: [] }],
    ['an EC wrapping key', { wrappingKey: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } }],
    ['a time that is none', { now: new Date(Number.NaN) }],
  ];
  it.each(wrong)('verifyReleaseResponse rejects with error 8 for %s', async (_, change) => {
    const vector = positives()[0] as Vector;
    const options = { ...optionsOf(vector), ...change } as ReleaseResponseOptions;
    expect(await outcome(vector.value, options)).toMatchObject({ name: 'AttestationError', code: 8 });
  });
});
