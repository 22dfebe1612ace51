import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import {
  AttestationError,
  attestationOf,
  type RequireAttestationOptions,
  requireAttestation,
} from '../../lib/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken, TestIssuer } from '../token/issuer.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW, bearer: true };
const token = signToken(guestClaims(), keys.privateKey);

interface Answer {
  status: number;
  body: { error?: { code: string; message: string }; vm?: string };
  headers: Headers;
}

/** What a server with `listener` answers to a request with these headers. */
async function ask(listener: RequestListener, headers: Record<string, string> | [string, string][]): Promise<Answer> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers });
    return { status: response.status, body: (await response.json()) as Answer['body'], headers: response.headers };
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const answerVmId = (request: IncomingMessage, response: ServerResponse): void => {
  response.end(JSON.stringify({ vm: attestationOf(request)?.['x-ms-azurevm-vmid'] }));
};

const guarded = (more: Partial<RequireAttestationOptions> = {}): RequestListener => {
  const guard = requireAttestation({ ...options, ...more });
  return async (request, response) => {
    if (await guard(request, response)) answerVmId(request, response);
  };
};

const bearer = (value: string): Record<string, string> => ({ authorization: `Bearer ${value}` });

describe('requireAttestation', () => {
  it('lets a request with a good token through and tells its claims', async () => {
    const answer = await ask(guarded(), bearer(token));
    expect(answer).toMatchObject({ status: 200, body: { vm: guestClaims()['x-ms-azurevm-vmid'] } });
  });

  it('answers 401 with the reason, in a form that programs read', async () => {
    const forged = signToken(guestClaims(), rsaKeys().privateKey);
    const { status, body, headers } = await ask(guarded(), bearer(forged));
    expect(status).toBe(401);
    expect(body).toEqual({ error: { code: 'ERR_TOKEN_SIGNATURE', message: expect.stringMatching(/signature/) } });
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('www-authenticate')).toBe(
      'Bearer error="invalid_token", error_description="ERR_TOKEN_SIGNATURE"',
    );
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['no header', {}],
    ['another scheme', { authorization: `Basic ${token}` }],
    ['no token', { authorization: 'Bearer' }],
    ['two words', { authorization: `Bearer ${token} ${token}` }],
  ])('answers 401 to a request without a token: %s', async (_, headers) => {
    const answer = await ask(guarded(), headers as Record<string, string>);
    expect(answer).toMatchObject({ status: 401, body: { error: { code: 'ERR_TOKEN_MISSING' } } });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('does not choose between two tokens', async () => {
    const listener = guarded({ header: 'x-attestation-token' });
    const single = await ask(listener, { 'X-Attestation-Token': token });
    expect(single.status).toBe(200);
    const rawHeaders = ['Authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`];
    const request = { rawHeaders, url: '/', method: 'GET' };
    const response = { setHeader: vi.fn(), writeHead: vi.fn(), end: vi.fn() };
    const passed = await requireAttestation(options)(request as never, response as never);
    expect(passed).toBe(false);
    expect(response.end).toHaveBeenCalledWith(expect.stringContaining('ERR_TOKEN_FORMAT'));
  });

  it('does not tell what was expected', async () => {
    const expected = 'ee'.repeat(48);
    const answer = await ask(guarded({ launchMeasurement: expected }), bearer(token));
    expect(answer).toMatchObject({ status: 401, body: { error: { code: 'ERR_TOKEN_LAUNCH_MEASUREMENT' } } });
    expect(JSON.stringify(answer.body)).not.toContain('eeee');
  });

  it('demands of each request what it is told for it', async () => {
    const listener = guarded({ expect: (request) => ({ nonce: String(request.headers['x-session']) }) });
    const good = await ask(listener, { ...bearer(token), 'x-session': '011510062022' });
    const replayed = await ask(listener, { ...bearer(token), 'x-session': 'another' });
    expect([good.status, replayed.status, replayed.body.error?.code]).toEqual([200, 401, 'ERR_TOKEN_NONCE']);
  });

  it('answers 503 when the issuer’s keys cannot be had: that is not the client’s fault', async () => {
    await using issuer = await TestIssuer.start();
    issuer.respond = (_, response) => response.writeHead(500).end();
    const listener = guarded({ issuer: issuer.url, keys: new URL('/certs', issuer.url) });
    const answer = await ask(listener, bearer(issuer.token()));
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'ERR_TOKEN_KEYS_UNAVAILABLE' } } });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(answer.headers.get('www-authenticate')).toBeNull();
  });

  it('is middleware: calls next once it has let a request through, and only then', async () => {
    const next = vi.fn();
    const guard = requireAttestation(options);
    const listener: RequestListener = (request, response) =>
      void guard(request, response, (error) => {
        next(error);
        answerVmId(request, response);
      });
    await ask(listener, bearer(token));
    expect(next.mock.calls).toEqual([[undefined]]);
    await ask(listener, {});
    expect(next).toHaveBeenCalledTimes(1);
  });

  it('hands on an error that is nobody’s token', async () => {
    const lost = new Error('session store is down');
    const guard = requireAttestation({ ...options, expect: () => Promise.reject(lost) });
    const asMiddleware = await ask((request, response) => {
      void guard(request, response, (error) => response.end(JSON.stringify({ vm: String(error === lost) })));
    }, bearer(token));
    expect(asMiddleware.body.vm).toBe('true');
    const alone = await ask(guarded({ expect: () => Promise.reject(lost) }), bearer(token));
    expect(alone).toMatchObject({ status: 500, body: { error: { code: 'ERR_INTERNAL' } } });
    expect(JSON.stringify(alone.body)).not.toContain('session store');
  });

  it('is not made with wrong options', () => {
    expect(() => requireAttestation({ ...options, issuer: '' })).toThrow(AttestationError);
  });
});
