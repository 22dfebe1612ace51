import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AttestationError, verifyToken } from '../../lib/index.js';
import { guestClaims, jwkOf, NOW, rsaKeys, signToken, TestIssuer } from './issuer.js';
import { refusal } from './refusal.js';

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await TestIssuer.start();
});
afterEach(() => issuer[Symbol.asyncDispose]());

const verify = (token = issuer.token(), more: object = {}) =>
  verifyToken(token, { issuer: issuer.url, now: NOW, ...more });

describe('keys of the issuer', () => {
  it('are fetched from {issuer}/certs once, for many tokens at the same time and later', async () => {
    await Promise.all(Array.from({ length: 20 }, () => verify()));
    await verify();
    expect(issuer.requests).toEqual(['/certs']);
  });

  it('are fetched from the URL given, and from nowhere else', async () => {
    const keys = new URL('/somewhere/keys.json', issuer.url);
    await verify(issuer.token({}, { jku: keys.href }), { keys });
    expect(issuer.requests).toEqual(['/somewhere/keys.json']);
  });

  it.each([
    ['n', { n: { toString: 1, valueOf: 1 } }],
    ['x5c', { x5c: [{}] }],
    ['key_ops', { key_ops: ['encrypt'] }],
    ['key_ops', { key_ops: 'verify' }],
  ])('of which one has a %s that is none is passed over, the others of its name are tried', async (_, odd) => {
    const [good] = issuer.set.keys as [object];
    await verify(issuer.token(), { keys: { keys: [{ ...good, ...odd }, good] } });
    await refusal(verify(issuer.token(), { keys: { keys: [{ ...good, ...odd }] } }), 'ERR_TOKEN_KEY_UNKNOWN');
  });

  it('are not fetched at all when they are given, nor for a token that is refused before', async () => {
    await verify(issuer.token(), { keys: issuer.set });
    await refusal(verify(issuer.token({ iss: 'http://127.0.0.1:9' })), 'ERR_TOKEN_ISSUER');
    await refusal(verify(issuer.token({}, { jku: 'http://127.0.0.1:9/certs' })), 'ERR_TOKEN_JKU');
    await refusal(verify(issuer.token({}, { kid: undefined })), 'ERR_TOKEN_KEY_ID');
    expect(issuer.requests).toEqual([]);
  });

  it('of several issuers come from the one that the token names', async () => {
    await using other = await TestIssuer.start();
    const both = { issuer: [other.url, issuer.url] };
    await verify(issuer.token(), both);
    expect([issuer.requests, other.requests]).toEqual([['/certs'], []]);
    // Signed by one, said to be from the other.
    const token = signToken(guestClaims({ iss: other.url }), issuer.keys.privateKey);
    await refusal(verify(token, both), 'ERR_TOKEN_SIGNATURE');
  });

  it('are fetched again, once, for an unknown kid: a new key is found', async () => {
    await verify();
    const newer = rsaKeys();
    issuer.set = { keys: [jwkOf(newer, 'newer')] };
    const token = signToken(guestClaims({ iss: issuer.url }), newer.privateKey, { kid: 'newer' });
    await expect(verify(token)).resolves.toBeDefined();
    expect(issuer.requests).toHaveLength(2);
  });

  it('that were rotated away are refused once the set is fetched again', async () => {
    const token = issuer.token();
    await verify(token);
    issuer.set = { keys: [jwkOf(rsaKeys(), 'newer')] };
    await refusal(verify(issuer.token({}, { kid: 'newest' })), 'ERR_TOKEN_KEY_UNKNOWN');
    await refusal(verify(token), 'ERR_TOKEN_KEY_UNKNOWN');
  });

  it('are believed for a bounded time', async () => {
    const keyFetch = { lifetimeMs: 1000 };
    vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
    try {
      await verify(undefined, { keyFetch });
      vi.mocked(performance.now).mockReturnValue(1_000_999);
      await verify(undefined, { keyFetch });
      expect(issuer.requests).toHaveLength(1);
      vi.mocked(performance.now).mockReturnValue(1_001_000);
      await verify(undefined, { keyFetch });
      expect(issuer.requests).toHaveLength(2);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('are not fetched for each of a flood of unknown kids', async () => {
    await verify();
    for (let index = 0; index < 50; index++) {
      await refusal(verify(issuer.token({}, { kid: `unknown-${index}` })), 'ERR_TOKEN_KEY_UNKNOWN');
    }
    expect(issuer.requests.length).toBeLessThanOrEqual(6);
    await expect(verify()).resolves.toBeDefined();
  });

  it('are not fetched over plain http from another machine unless insisted on', async () => {
    const remote = 'http://attest.example';
    const token = signToken(guestClaims({ iss: remote }), issuer.keys.privateKey);
    const fetched: string[] = [];
    const fetchKeys = async (url: string | URL | Request): Promise<Response> => {
      fetched.push(String(url));
      return Response.json(issuer.set);
    };
    const error = await verify(token, { issuer: remote, keyFetch: { fetch: fetchKeys } }).catch(
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(AttestationError);
    expect(fetched).toEqual([]);
    const keyFetch = { fetch: fetchKeys, allowInsecureHttp: true };
    await expect(verify(token, { issuer: remote, keyFetch })).resolves.toBeDefined();
    expect(fetched).toEqual([`${remote}/certs`]);
  });
});

describe('an issuer that misbehaves', () => {
  it('and does not answer is given up after its time', async () => {
    issuer.respond = () => {};
    await refusal(verify(undefined, { keyFetch: { timeoutMs: 200 } }), 'ERR_TOKEN_KEYS_UNAVAILABLE');
  });

  it('sends headers and then a byte now and then', async () => {
    issuer.respond = (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    };
    await refusal(verify(undefined, { keyFetch: { timeoutMs: 200 } }), 'ERR_TOKEN_KEYS_UNAVAILABLE');
  });

  it.each([301, 302, 303, 307, 308])('redirects with %d, which is not followed', async (status) => {
    await using elsewhere = await TestIssuer.start();
    elsewhere.set = issuer.set;
    issuer.respond = (_, response) => response.writeHead(status, { location: `${elsewhere.url}/certs` }).end();
    await refusal(verify(), 'ERR_TOKEN_KEYS_UNAVAILABLE');
    expect(elsewhere.requests).toEqual([]);
  });

  it.each([404, 500])('answers with %d', async (status) => {
    issuer.respond = (_, response) => response.writeHead(status).end();
    await refusal(verify(), 'ERR_TOKEN_KEYS_UNAVAILABLE');
  });

  it('cannot be reached, and recovers', async () => {
    issuer.respond = (request) => request.socket.destroy();
    await refusal(verify(), 'ERR_TOKEN_KEYS_UNAVAILABLE');
    issuer.respond = (_, response) => response.end(JSON.stringify(issuer.set));
    await expect(verify()).resolves.toBeDefined();
  });

  it.each([
    ['not JSON', 'no'],
    ['not an object', '[]'],
    ['no keys', '{}'],
    ['not UTF-8', Buffer.from([0xff])],
    ['nested 10,000 deep', `{"keys":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['keys named twice', '{"keys":[],"keys":[]}'],
    ['10,000 keys', JSON.stringify({ keys: Array.from({ length: 10_000 }, (_, kid) => ({ kid: `${kid}` })) })],
  ])('sends what is not a key set: %s', async (_, body) => {
    issuer.respond = (_request, response) => response.end(body);
    await refusal(verify(), 'ERR_TOKEN_KEY_SET');
  });

  it('sends without end', async () => {
    issuer.respond = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more).on('error', () => {});
      more();
    };
    await refusal(verify(), 'ERR_TOKEN_KEY_SET');
  });
});
