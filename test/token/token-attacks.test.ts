import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerificationError, verifyToken } from '../../lib/index.js';
import { selfSignedCertificate } from './certificate.js';
import {
  base64url,
  guestClaims,
  ISSUER,
  jwkOf,
  KID,
  NOW,
  NOW_SECONDS,
  platformClaims,
  rsaKeys,
  signTexts,
  signToken,
} from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const stranger = rsaKeys();
const strangersCertificate = selfSignedCertificate(stranger, 'stranger');
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };
const refused = (token: string, code: string, more: object = {}) =>
  refusal(verifyToken(token, { ...options, ...more }), code);
const header = { alg: 'RS256', kid: KID, typ: 'JWT' };

describe('tokens that a verifier must not take: the signature', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', ''])('unsigned, alg %j', async (alg) => {
    await refused(`${base64url({ alg, kid: KID })}.${base64url(guestClaims())}.`, 'ERR_TOKEN_ALGORITHM');
  });

  it('unsigned under a draft policy, as the service answers one', async () => {
    const token = `${base64url({ alg: 'none', typ: 'JWT' })}.${base64url(platformClaims())}.`;
    await refused(token, 'ERR_TOKEN_ALGORITHM');
  });

  it('RS256 with the signature cut off', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    await refused(`${token.slice(0, token.lastIndexOf('.'))}.`, 'ERR_TOKEN_SIGNATURE');
  });

  it('HS256 keyed with the issuer’s public key', async () => {
    const input = `${base64url({ ...header, alg: 'HS256' })}.${base64url(guestClaims())}`;
    for (const secret of [
      keys.publicKey.export({ format: 'pem', type: 'spki' }),
      keys.publicKey.export({ format: 'der', type: 'spki' }),
      JSON.stringify(jwkOf(keys)),
    ]) {
      await refused(
        `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`,
        'ERR_TOKEN_ALGORITHM',
      );
    }
  });

  it('claims changed after signing', async () => {
    const [first, , third] = signToken(guestClaims(), keys.privateKey).split('.');
    await refused(`${first}.${base64url(guestClaims({ secureboot: false }))}.${third}`, 'ERR_TOKEN_SIGNATURE');
  });

  it('signed by an untrusted key under the issuer’s kid', async () => {
    await refused(signToken(guestClaims(), stranger.privateKey), 'ERR_TOKEN_SIGNATURE');
  });

  it('signed by an untrusted key with its own x5c and no kid', async () => {
    const token = signToken(guestClaims(), stranger.privateKey, { kid: undefined, x5c: [strangersCertificate] });
    await refused(token, 'ERR_TOKEN_KEY_ID');
  });

  it.each([{ x5c: [strangersCertificate] }, { jwk: jwkOf(stranger) }, { x5u: 'https://evil.example/certificate.pem' }])(
    'signed by a stranger who embeds %o beside the issuer’s kid',
    async (embedded) => {
      await refused(signToken(guestClaims(), stranger.privateKey, embedded), 'ERR_TOKEN_SIGNATURE');
    },
  );

  it.each([
    'https://evil.example/certs',
    `${ISSUER}.evil.example/certs`,
    `https://evil.example/?${ISSUER}/certs`,
    `${ISSUER}@evil.example/certs`,
    ISSUER.replace('https:', 'http:'),
    'data:application/json,{}',
    '',
  ])('jku %j, which is not the issuer’s, even with a good signature', async (jku) => {
    await refused(signToken(guestClaims(), keys.privateKey, { jku }), 'ERR_TOKEN_JKU');
  });

  it('an extension that must be understood, and b64', async () => {
    await refused(signToken(guestClaims(), keys.privateKey, { crit: ['exp'], exp: 1 }), 'ERR_TOKEN_CRITICAL_HEADER');
    await refused(
      signToken(guestClaims(), keys.privateKey, { crit: ['b64'], b64: false }),
      'ERR_TOKEN_CRITICAL_HEADER',
    );
  });

  it('a kid that the issuer no longer publishes: rotated away', async () => {
    const rotated = { keys: [jwkOf(rsaKeys(), 'newer')] };
    await refused(signToken(guestClaims(), keys.privateKey), 'ERR_TOKEN_KEY_UNKNOWN', { keys: rotated });
  });

  it('a kid that names several keys, none of which has signed; and too many of them', async () => {
    const token = signToken(guestClaims(), stranger.privateKey);
    await refused(token, 'ERR_TOKEN_SIGNATURE', { keys: { keys: [jwkOf(keys), jwkOf(rsaKeys())] } });
    const crowd = { keys: Array.from({ length: 9 }, () => jwkOf(keys)) };
    await refused(token, 'ERR_TOKEN_KEY_SET', { keys: crowd });
  });

  it('a key of 1024 bits', async () => {
    const small = rsaKeys(1024);
    await refused(signToken(guestClaims(), small.privateKey), 'ERR_TOKEN_KEY_UNKNOWN', {
      keys: { keys: [jwkOf(small)] },
    });
  });

  it('a key set of 10,000 keys, and what is not a key set', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const jwk = jwkOf(keys);
    const many = { keys: Array.from({ length: 10_000 }, (_, index) => ({ ...jwk, kid: `k${index}` })) };
    await refused(token, 'ERR_TOKEN_KEY_SET', { keys: many });
    for (const set of [{}, { keys: {} }, [], 'keys', null]) await refused(token, 'ERR_TOKEN_KEY_SET', { keys: set });
  });
});

describe('tokens that a verifier must not take: issuer and time', () => {
  it('of another issuer that publishes the same keys', async () => {
    const token = signToken(guestClaims({ iss: 'https://sharedother.attest.example' }), keys.privateKey);
    await refused(token, 'ERR_TOKEN_ISSUER');
  });

  it.each([undefined, null, 7, [ISSUER], { [ISSUER]: ISSUER }, ''])('with %j as issuer', async (iss) => {
    await refused(signToken({ ...guestClaims(), iss }, keys.privateKey, { jku: undefined }), 'ERR_TOKEN_ISSUER');
  });

  it.each([
    ['exp', String(NOW_SECONDS + 3600)],
    ['exp', undefined],
    ['exp', null],
    ['exp', [NOW_SECONDS + 3600]],
    ['nbf', 'soon'],
    ['iat', true],
  ])('with %s = %j', async (claim, value) => {
    await refused(signToken(guestClaims({ [claim as string]: value }), keys.privateKey), 'ERR_TOKEN_TIME_CLAIM');
  });

  it('with an exp that JSON reads as infinity', async () => {
    const payload = JSON.stringify(guestClaims({ exp: 0 })).replace('"exp":0', '"exp":1e999');
    await refused(signTexts(JSON.stringify(header), payload, keys.privateKey), 'ERR_TOKEN_TIME_CLAIM');
  });

  it('expired, or read by a clock that is off by an hour', async () => {
    const hour = 3_600_000;
    const token = signToken(guestClaims({ exp: NOW_SECONDS + 600 }), keys.privateKey);
    await refused(token, 'ERR_TOKEN_EXPIRED', { now: new Date(NOW.getTime() + hour) });
    await refused(token, 'ERR_TOKEN_NOT_YET_VALID', { now: new Date(NOW.getTime() - hour) });
    const withoutNbf = signToken(guestClaims({ nbf: undefined }), keys.privateKey);
    await refused(withoutNbf, 'ERR_TOKEN_ISSUED_IN_FUTURE', { now: new Date(NOW.getTime() - hour) });
  });
});

describe('tokens that a verifier must not take: the text', () => {
  it('1 MB is refused quickly', async () => {
    const token = signToken(guestClaims({ padding: 'x'.repeat(750_000) }), keys.privateKey);
    expect(token.length).toBeGreaterThan(1_000_000);
    await refused(token, 'ERR_TOKEN_SIZE');
    await refused('.'.repeat(10_000_000), 'ERR_TOKEN_SIZE');
  });

  it('bombs of nested JSON are refused', async () => {
    const claims = JSON.stringify(guestClaims()).slice(0, -1);
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const depth = 5_000;
      const payload = `${claims},"bomb":${open.repeat(depth)}0${close.repeat(depth)}}`;
      await refused(signTexts(JSON.stringify(header), payload, keys.privateKey), 'ERR_TOKEN_NESTING');
    }
    await refused(`${base64url('['.repeat(20_000) + ']'.repeat(20_000))}.e30.AAAA`, 'ERR_TOKEN_NESTING');
  });

  it('claims that are named twice, at any depth and however they are spelled', async () => {
    const claims = JSON.stringify(guestClaims());
    const payloads = [
      `${claims.slice(0, -1)},"iss":${JSON.stringify(ISSUER)}}`,
      `${claims.slice(0, -1)},"i\\u0073s":${JSON.stringify(ISSUER)}}`,
      claims.replace('"tpm-enabled":true', '"tpm-enabled":false,"tpm-enabled":true'),
      `${claims.slice(0, -1)},"__proto__":1,"__proto__":2}`,
    ];
    for (const payload of payloads) {
      expect(() => JSON.parse(payload)).not.toThrow();
      await refused(signTexts(JSON.stringify(header), payload, keys.privateKey), 'ERR_TOKEN_DUPLICATE_CLAIM');
    }
    const twice = `{"alg":"none",${JSON.stringify(header).slice(1)}`;
    await refused(signTexts(twice, claims, keys.privateKey), 'ERR_TOKEN_DUPLICATE_CLAIM');
  });

  it('with any one character changed, or cut off anywhere', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const replacement = fc.constantFrom(...'AZaz09-_+/=. "{é\0'.split(''));
    const changed = fc
      .tuple(fc.nat({ max: token.length - 1 }), replacement)
      .map(([at, by]) => token.slice(0, at) + by + token.slice(at + 1));
    const cut = fc.nat({ max: token.length - 1 }).map((length) => token.slice(0, length));
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, cut), async (bad) => {
        fc.pre(bad !== token);
        const outcome = await verifyToken(bad, options).catch((error: unknown) => error);
        expect(outcome).toBeInstanceOf(VerificationError);
        expect((outcome as VerificationError).code).toMatch(/^ERR_TOKEN_/);
      }),
      { numRuns: 300 },
    );
  });

  it('a signature with other unused bits in its last letter is refused', async () => {
    const token = signToken(guestClaims(), keys.privateKey);
    const last = token.slice(-1);
    expect('AQgw').toContain(last);
    const other = `${token.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}`;
    expect(Buffer.from(other.slice(-10), 'base64url')).toEqual(Buffer.from(token.slice(-10), 'base64url'));
    await refused(other, 'ERR_TOKEN_FORMAT');
  });

  it('colons, braces and quotes inside of strings are not structure', async () => {
    const payload = guestClaims({ text: '{"a":1,"a":2}:[[[[\\"', 'quote"\\': ':::', x: '\\\\' });
    await expect(verifyToken(signToken(payload, keys.privateKey), options)).resolves.toMatchObject({ x: '\\\\' });
  });

  it.each([
    ['', 'empty'],
    ['a.b', 'two parts'],
    [`${base64url(header)}.e30.AAAA.AAAA`, 'four parts'],
    [`${base64url(header)}.e30.AAAA.`, 'four parts, the last one empty'],
    ['e30.e30.AAAA=', 'padding'],
    [`${base64url(header)}.e3 0.AAAA`, 'a blank'],
    [`${base64url(header)}.e3+/.AAAA`, 'the standard alphabet'],
    [`${base64url(header)}.e30.AA=A`, 'padding inside'],
    ['e30.e30.A', 'a length that base64 cannot have'],
    [`${base64url(header)}.${base64url('[]')}.AAAA`, 'claims that are an array'],
    [`${base64url(header)}.${base64url('null')}.AAAA`, 'claims that are null'],
    [`${base64url(header)}.${base64url('{"a":1')}.AAAA`, 'claims that end early'],
    [`${base64url(header)}.${base64url('{"a":"b')}.AAAA`, 'a string that does not end'],
    [`${base64url(header)}.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.AAAA`, 'claims that are not UTF-8'],
    [`${base64url({ ...header, kid: 7 })}.e30.AAAA`, 'a kid that is a number'],
    [`${base64url('"RS256"')}.e30.AAAA`, 'a header that is a string'],
  ])('%j: %s', async (token) => {
    await refused(token, 'ERR_TOKEN_FORMAT');
  });

  it.each([undefined, null, 7, {}, Buffer.from('a.b.c')])('%j instead of a string', async (token) => {
    await refused(token as unknown as string, 'ERR_TOKEN_FORMAT');
  });
});
