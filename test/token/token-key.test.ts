import { describe, expect, it } from 'vitest';
import { AttestationError, tokenEncryptionKey } from '../../lib/index.js';
import { EPHEMERAL_JWK, guestClaims, ISSUER, jwkOf, NOW, platformClaims, rsaKeys, signToken } from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };

describe('tokenEncryptionKey', () => {
  it('gives the key of a token that verifies, as JWK and as KeyObject', async () => {
    const key = await tokenEncryptionKey(signToken(guestClaims(), keys.privateKey), options);
    expect(key.jwk).toEqual({ ...EPHEMERAL_JWK });
    expect(key.keyObject.export({ format: 'jwk' })).toEqual({ kty: 'RSA', n: EPHEMERAL_JWK.n, e: EPHEMERAL_JWK.e });
  });

  it('gives none of a token that does not', async () => {
    const forged = signToken(guestClaims(), rsaKeys().privateKey);
    await refusal(tokenEncryptionKey(forged, options), 'ERR_TOKEN_SIGNATURE');
    await refusal(tokenEncryptionKey(forged, { ...options, verified: false } as never), 'ERR_TOKEN_SIGNATURE');
    const expired = signToken(guestClaims({ exp: 1 }), keys.privateKey);
    await refusal(tokenEncryptionKey(expired, options), 'ERR_TOKEN_EXPIRED');
    await expect(tokenEncryptionKey(forged, {} as never)).rejects.toBeInstanceOf(AttestationError);
  });

  it('believes a caller who says that it is verified', async () => {
    const forged = signToken(guestClaims(), rsaKeys().privateKey);
    await expect(tokenEncryptionKey(forged, { verified: true })).resolves.toMatchObject({ jwk: EPHEMERAL_JWK });
  });

  it('gives none of a platform token, whatever its runtime data claim', async () => {
    const claims = platformClaims({ 'x-ms-runtime': { keys: [EPHEMERAL_JWK] } });
    await refusal(tokenEncryptionKey(signToken(claims, keys.privateKey), options), 'ERR_TOKEN_ATTESTATION_TYPE');
  });

  it('chooses by kid, and refuses a token with two or none of them', async () => {
    const decoy = { ...jwkOf(rsaKeys(), 'HCLAkPub'), key_ops: ['sign'] };
    const of = (keysOfToken: unknown[]) =>
      tokenEncryptionKey(signToken(guestClaims({ 'x-ms-runtime': { keys: keysOfToken } }), keys.privateKey), options);
    await expect(of([decoy, EPHEMERAL_JWK])).resolves.toMatchObject({ jwk: EPHEMERAL_JWK });
    await expect(of([decoy])).rejects.toMatchObject({ code: 22 });
    await expect(of([EPHEMERAL_JWK, EPHEMERAL_JWK])).rejects.toMatchObject({ code: 22 });
  });
});
