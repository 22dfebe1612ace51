import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../lib/index.js';
import { encryptionKeyFromJwk, ephemeralKeyFromToken } from '../../lib/token/ephemeral-key.js';
import { fixture, withFixtures } from '../fixtures.js';

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = publicKey.export({ format: 'jwk' }) as { kty: 'RSA'; n: string; e: string };
const key = { ...jwk, kid: 'TpmEphemeralEncryptionKey', key_ops: ['encrypt'] };

function tokenOf(claims: unknown): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode({ alg: 'RS256' })}.${encode(claims)}.c2ln`;
}
const tokenWith = (...keys: unknown[]) => tokenOf({ 'x-ms-runtime': { keys } });

describe('the ephemeral key out of a token', () => {
  it('is the key with the right kid, wherever it stands', () => {
    const other = { ...jwk, kid: 'HCLAkPub' };
    const found = ephemeralKeyFromToken(tokenWith(other, key));
    expect(found.jwk).toEqual({ kty: 'RSA', n: jwk.n, e: 'AQAB', kid: 'TpmEphemeralEncryptionKey' });
    expect(found.modulusBytes).toBe(256);
    const canonical = `{"e":"AQAB","kty":"RSA","n":"${jwk.n}"}`;
    expect(found.thumbprint).toBe(createHash('sha256').update(canonical).digest('base64url'));
  });

  it('does not depend on how its numbers are written', () => {
    const expected = encryptionKeyFromJwk(key).thumbprint;
    const bytes = Buffer.from(jwk.n, 'base64url');
    for (const n of [
      bytes.toString('base64'),
      `${jwk.n}==`,
      Buffer.concat([Buffer.alloc(3), bytes]).toString('base64url'),
    ]) {
      expect(ephemeralKeyFromToken(tokenWith({ ...key, n })).thumbprint).toBe(expected);
    }
    expect(ephemeralKeyFromToken(tokenWith({ ...key, e: 'AAEAAQ' })).thumbprint).toBe(expected);
  });

  it('is found in claims whose encoding needs - and _', () => {
    // "~~~???" encodes to fn5-Pz8_ at an offset that is a multiple of three.
    for (const pad of ['', ' ', '  ']) {
      const claims = `{"a":"${pad}~~~???>>>","x-ms-runtime":${JSON.stringify({ keys: [key] })}}`;
      const payload = Buffer.from(claims).toString('base64url');
      if (pad === '') expect(payload).toMatch(/[-_]/);
      expect(ephemeralKeyFromToken(`e30.${payload}.c2ln`).jwk.n).toBe(jwk.n);
    }
  });

  const { publicKey: small } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { publicKey: odd } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const { publicKey: curve } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  it.each<[string, number, unknown]>([
    ['no string', 8, undefined],
    ['an empty string', 8, ''],
    ['no runtime claim', 8, tokenOf({})],
    ['no keys at all', 8, tokenWith()],
    ['a key without n', 8, tokenWith({ ...key, n: undefined })],
    ['an empty e', 8, tokenWith({ ...key, e: '' })],
    ['two segments', 22, 'e30.e30'],
    ['four segments', 22, `${tokenWith(key)}.x`],
    ['claims that are not base64url', 22, 'e30.e30=.x'],
    ['claims that are not JSON', 22, 'e30.eHh4.x'],
    ['claims that are an array', 22, tokenOf([])],
    ['keys that are an object', 22, tokenOf({ 'x-ms-runtime': { keys: {} } })],
    ['a runtime claim that is a string', 22, tokenOf({ 'x-ms-runtime': 'keys' })],
    ['only a key with another kid', 22, tokenWith({ ...key, kid: 'HCLAkPub' })],
    ['the key twice', 22, tokenWith(key, key)],
    ['more than 1 MiB', 22, tokenOf({ 'x-ms-runtime': { keys: [key] }, pad: 'x'.repeat(1 << 20) })],
    ['another key type', 23, tokenWith({ ...key, kty: 'EC' })],
    ['an elliptic curve', 23, tokenWith({ ...curve.export({ format: 'jwk' }), kid: key.kid })],
    ['n that is not base64', 23, tokenWith({ ...key, n: 'a*b' })],
    ['n of an impossible length', 23, tokenWith({ ...key, n: `${jwk.n}xyz` })],
    ['1024 bits', 23, tokenWith({ ...small.export({ format: 'jwk' }), kid: key.kid })],
    ['an enormous modulus', 23, tokenWith({ ...key, n: Buffer.alloc(4096, 0xff).toString('base64url') })],
    ['an even modulus', 23, tokenWith({ ...key, n: Buffer.alloc(256, 0xf0).toString('base64url') })],
    ['e = 3', 23, tokenWith({ ...odd.export({ format: 'jwk' }), kid: key.kid })],
    ['e = 1', 23, tokenWith({ ...key, e: 'AQ' })],
    ['an even e', 23, tokenWith({ ...key, e: 'AQAA' })],
  ])('%s is refused with %i', (_, code, token) => {
    expect(() => ephemeralKeyFromToken(token as string)).toThrow(expect.objectContaining({ code }));
  });

  it('no message quotes the token', () => {
    const secret = 'c2VjcmV0LXNlc3Npb24';
    const token = `e30.${Buffer.from(`{"s":"${secret}", broken`).toString('base64url')}.x`;
    expect(() => ephemeralKeyFromToken(token)).toThrow(
      expect.objectContaining({ code: ErrorCode.EXTRACTING_JWK_INFO, message: expect.not.stringContaining(secret) }),
    );
  });
});

describe.skipIf(!withFixtures)('in genuine and reference tokens', () => {
  it('is found in the tokens of the reference client and of the service', () => {
    for (const path of [
      'reference-client/snp/jwt.txt',
      'reference-client/trusted-launch/jwt.txt',
      'maa-tokens/azurevm-cvm-2023.jwt',
    ]) {
      const found = ephemeralKeyFromToken(fixture(path).toString('utf8').trim());
      expect(found.modulusBytes).toBe(256);
      expect(found.jwk.e).toBe('AQAB');
    }
  });
});
