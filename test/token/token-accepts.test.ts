import { generateKeyPairSync, sign } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { decodeUnverifiedToken, verifyToken } from '../../lib/index.js';
import { selfSignedCertificate } from './certificate.js';
import {
  base64url,
  guestClaims,
  ISSUER,
  jwkOf,
  KID,
  NOW,
  platformClaims,
  rsaKeys,
  signToken,
  VM_ID,
} from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };

describe('verifyToken', () => {
  it('returns the claims of a guest token, the documented ones by name and the others as they came', async () => {
    const token = signToken(guestClaims({ 'x-custom': { deep: [1, null, 'ü'] } }), keys.privateKey);
    const claims = await verifyToken(token, options);
    const vmId: string | undefined = claims['x-ms-azurevm-vmid'];
    const compliance: string | undefined = claims['x-ms-isolation-tee']['x-ms-compliance-status'];
    const configuration = claims['x-ms-isolation-tee']['x-ms-runtime']?.['vm-configuration'];
    expect({ vmId, compliance, secureBoot: configuration?.['secure-boot'], other: claims['x-custom'] }).toEqual({
      vmId: VM_ID,
      compliance: 'azure-compliant-cvm',
      secureBoot: true,
      other: { deep: [1, null, 'ü'] },
    });
    expect(claims['x-ms-runtime']?.keys?.[0]?.kid).toBe('TpmEphemeralEncryptionKey');
  });

  it('returns the claims of a platform token', async () => {
    const claims = await verifyToken(signToken(platformClaims(), keys.privateKey), {
      ...options,
      attestationType: 'sevsnpvm',
    });
    const svn: number | undefined = claims['x-ms-sevsnpvm-microcode-svn'];
    expect({ svn, nonce: claims.nonce }).toEqual({ svn: 219, nonce: '011510062022' });
  });

  it('takes a kid in standard base64 with + / =', async () => {
    expect(KID).toMatch(/\+.*\/.*=$/);
    await expect(verifyToken(signToken(guestClaims(), keys.privateKey), options)).resolves.toBeDefined();
  });

  it('takes claims whose base64url needs - and _', async () => {
    const token = signToken(guestClaims({ x: '~~~???>>>~~~???>>>' }), keys.privateKey);
    expect(token.split('.')[1]).toMatch(/[-_]/);
    await expect(verifyToken(token, options)).resolves.toMatchObject({ x: '~~~???>>>~~~???>>>' });
  });

  it('ignores a trailing slash of the issuer on either side, and nothing else', async () => {
    const slashed = signToken(guestClaims({ iss: `${ISSUER}/` }), keys.privateKey, { jku: `${ISSUER}/certs` });
    await expect(verifyToken(slashed, options)).resolves.toBeDefined();
    const plain = signToken(guestClaims(), keys.privateKey);
    await expect(verifyToken(plain, { ...options, issuer: `${ISSUER}/` })).resolves.toBeDefined();
    for (const issuer of [
      `${ISSUER}//`,
      ISSUER.toUpperCase(),
      `${ISSUER}/x`,
      ISSUER.replace('https', 'http'),
      `${ISSUER}:443`,
    ]) {
      await refusal(verifyToken(plain, { ...options, issuer }), 'ERR_TOKEN_ISSUER');
    }
  });

  it('takes one of several issuers', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const issuer = ['https://other.attest.example', ISSUER];
    await expect(verifyToken(token, { ...options, issuer })).resolves.toMatchObject({ iss: ISSUER });
  });

  it('finds the key among two that share its kid', async () => {
    const other = jwkOf(rsaKeys());
    const token = signToken(guestClaims(), keys.privateKey);
    const both = { keys: [other, jwkOf(keys)] };
    await expect(verifyToken(token, { ...options, keys: both })).resolves.toBeDefined();
  });

  it('takes a key that the set gives as a certificate only, as the service does', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const entry = { kid: KID, kty: 'RSA', x5c: [selfSignedCertificate(keys, 'issuer'), 'AAAA'] };
    await expect(verifyToken(token, { ...options, keys: { keys: [entry] } })).resolves.toBeDefined();
    const others = { ...entry, x5c: [selfSignedCertificate(rsaKeys(), 'issuer')] };
    await refusal(verifyToken(token, { ...options, keys: { keys: [others] } }), 'ERR_TOKEN_SIGNATURE');
  });

  it('skips entries of the set that are not keys, not for signatures, or for another algorithm', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const junk = [
      null,
      7,
      { kid: KID },
      { kid: KID, kty: 'RSA', n: '!', e: 'AQAB' },
      { kid: KID, kty: 'oct', k: 'AAAA' },
      { kid: KID, x5c: ['AAAA'] },
      jwkOf(rsaKeys(), KID, { use: 'enc' }),
    ];
    const set = { keys: [...junk, jwkOf(keys)] } as typeof options.keys;
    await expect(verifyToken(token, { ...options, keys: set })).resolves.toBeDefined();
    for (const entry of [{ use: 'enc' }, { alg: 'PS256' }, { kty: 'EC' }]) {
      const unusable = { keys: [jwkOf(keys, KID, entry)] };
      await refusal(verifyToken(token, { ...options, keys: unusable }), 'ERR_TOKEN_KEY_UNKNOWN');
    }
  });

  it('notices a key that its owner has replaced in the same set', async () => {
    const set = { keys: [jwkOf(keys)] };
    const token = signToken(guestClaims(), keys.privateKey);
    await expect(verifyToken(token, { ...options, keys: set })).resolves.toBeDefined();
    Object.assign(set.keys[0] as object, jwkOf(rsaKeys()));
    await refusal(verifyToken(token, { ...options, keys: set }), 'ERR_TOKEN_SIGNATURE');
  });

  it('takes PS256 and ES256 only when told to', async () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cases = [
      { alg: 'PS256', signer: keys.privateKey, jwk: jwkOf(keys, KID, { alg: 'PS256' }) },
      { alg: 'ES256', signer: ec.privateKey, jwk: { ...ec.publicKey.export({ format: 'jwk' }), kid: KID } },
    ] as const;
    for (const { alg, signer, jwk } of cases) {
      const token = await new SignJWT(guestClaims()).setProtectedHeader({ alg, kid: KID }).sign(signer);
      const given = { ...options, keys: { keys: [jwk] } };
      await expect(verifyToken(token, { ...given, algorithms: ['RS256', alg] })).resolves.toBeDefined();
      await refusal(verifyToken(token, given), 'ERR_TOKEN_ALGORITHM');
    }
  });

  it('tolerates 60 s between the clocks, or what it is told to', async () => {
    const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
    const token = signToken(guestClaims({ exp: NOW.getTime() / 1000 + 100 }), keys.privateKey);
    await expect(verifyToken(token, { ...options, now: at(159) })).resolves.toBeDefined();
    await refusal(verifyToken(token, { ...options, now: at(160) }), 'ERR_TOKEN_EXPIRED');
    await refusal(verifyToken(token, { ...options, now: at(100), clockTolerance: 0 }), 'ERR_TOKEN_EXPIRED');
    await expect(verifyToken(token, { ...options, now: at(-70) })).resolves.toBeDefined();
    await refusal(verifyToken(token, { ...options, now: at(-71) }), 'ERR_TOKEN_NOT_YET_VALID');
    await expect(verifyToken(token, { ...options, maxTokenAge: 5 })).resolves.toBeDefined();
    await refusal(verifyToken(token, { ...options, maxTokenAge: 5, clockTolerance: 0 }), 'ERR_TOKEN_TOO_OLD');
  });

  it('lists every check that was made, not only the first that failed', async () => {
    const claims = guestClaims(
      { exp: NOW.getTime() / 1000 - 7200 },
      { 'x-ms-compliance-status': 'none', 'x-ms-sevsnpvm-is-debuggable': true },
    );
    const error = await refusal(verifyToken(signToken(claims, keys.privateKey), options), 'ERR_TOKEN_EXPIRED');
    const failed = error.checks.filter(({ ok }) => !ok).map(({ code }) => code);
    expect(failed).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_COMPLIANCE', 'ERR_TOKEN_DEBUG']);
    expect(error.checks).toContainEqual({ name: 'VMPL', ok: true, expected: '0', actual: '0' });
  });
});

describe('decodeUnverifiedToken', () => {
  it('shows header and claims of a token that nobody has verified', () => {
    const input = `${base64url({ alg: 'RS256', kid: KID })}.${base64url(guestClaims())}`;
    const token = `${input}.${sign('sha256', Buffer.from(input), rsaKeys().privateKey).toString('base64url')}`;
    const { header, claims } = decodeUnverifiedToken(token);
    expect(header).toEqual({ alg: 'RS256', kid: KID });
    expect(claims.iss).toBe(ISSUER);
  });
});
