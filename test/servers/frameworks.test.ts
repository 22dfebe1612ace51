import { createServer, type RequestListener } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attestationOf, fastifyAttestation, requireAttestation } from '../../lib/relying-party/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken, VM_ID } from '../token/issuer.js';
import { type ExpressApplication, type FastifyApplication, loadExpress, loadFastify } from './packages.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW, bearer: true };
const authorization = `Bearer ${signToken(guestClaims(), keys.privateKey)}`;

async function ask(listener: RequestListener, path: string, headers: Record<string, string> = {}) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface ExpressResponse {
  setHeader(name: string, value: string): void;
  send(body: string): void;
}

describe('requireAttestation in Express', () => {
  let express: () => ExpressApplication;
  beforeAll(async () => {
    express = await loadExpress();
  });

  const guarded = (guard: unknown): ExpressApplication => {
    const app = express();
    app.use((_: unknown, response: ExpressResponse, next: () => void) => {
      response.setHeader('Access-Control-Allow-Origin', 'https://app.example');
      next();
    });
    app.use('/api', guard);
    app.get('/api/who', (request: object, response: ExpressResponse) => {
      response.send(String(attestationOf(request)?.['x-ms-azurevm-vmid']));
    });
    return app;
  };

  it('lets a request through with its claims', async () => {
    const answer = await ask(guarded(requireAttestation(options)) as RequestListener, '/api/who', { authorization });
    expect(answer).toMatchObject({ status: 200, text: VM_ID });
  });

  it('answers 401 and leaves the headers that others set', async () => {
    const answer = await ask(guarded(requireAttestation(options)) as RequestListener, '/api/who');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'ERR_TOKEN_MISSING' } });
  });

  it('sees the whole target behind the path that it is mounted at', async () => {
    const expectation = vi.fn((request: { originalUrl?: string }) => ({ nonce: request.originalUrl ?? '' }));
    const guard = requireAttestation({ ...options, expect: expectation as never });
    const answer = await ask(guarded(guard) as RequestListener, '/api/who?x=1', { authorization });
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'ERR_TOKEN_NONCE' } });
    expect(expectation.mock.results[0]?.value).toEqual({ nonce: '/api/who?x=1' });
  });

  it.each([
    ['the function without its call', requireAttestation],
    ['the guard of Fastify', fastifyAttestation(options)],
  ])('lets nobody through when it is misused: %s', async (_, guard) => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const answer = await ask(guarded(guard) as RequestListener, '/api/who', { authorization });
    expect(answer.status).toBe(500);
    vi.restoreAllMocks();
  });
});

describe('fastifyAttestation', () => {
  let fastify: () => FastifyApplication;
  beforeAll(async () => {
    fastify = await loadFastify();
  });
  const who = (request: object): string => String(attestationOf(request)?.['x-ms-azurevm-vmid']);

  it.each<[string, (app: FastifyApplication) => unknown]>([
    ['as a hook', (app) => app.addHook('onRequest', fastifyAttestation(options)).get('/who', who)],
    ['of one route', (app) => app.get('/who', { onRequest: fastifyAttestation(options) }, who)],
    ['as a plugin', (app) => app.register(fastifyAttestation(options)).get('/who', who)],
  ])('guards %s, with inject()', async (_, build) => {
    const app = fastify();
    build(app);
    const passed = await app.inject({ url: '/who', headers: { authorization } });
    expect([passed.statusCode, passed.body]).toEqual([200, VM_ID]);
    const refused = await app.inject({ url: '/who' });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['www-authenticate']).toBe('Bearer');
    expect(refused.json()).toMatchObject({ error: { code: 'ERR_TOKEN_MISSING' } });
    await app.close();
  });

  it('reports refusals, and makes a 500 of what is the server’s own fault', async () => {
    const onRefusal = vi.fn();
    const app = fastify();
    app.register(fastifyAttestation({ ...options, onRefusal, expect: () => ({}) })).get('/who', who);
    expect((await app.inject({ url: '/who', headers: { authorization } })).statusCode).toBe(500);
    expect(onRefusal).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_INTERNAL' }), expect.anything());
    await app.close();
  });

  it('lets nobody through when the guard of node:http is used in its place', async () => {
    const app = fastify();
    app.addHook('onRequest', async (request: never, reply: never) => {
      await requireAttestation(options)(request, reply);
    });
    app.get('/who', who);
    expect((await app.inject({ url: '/who', headers: { authorization } })).statusCode).toBe(500);
    await app.close();
  });
});

describe('requireAttestation over http2', () => {
  it('lets a request through, and refuses one without a token', async () => {
    const guard = requireAttestation(options);
    const server = createHttp2Server(async (request, response) => {
      if (await guard(request, response)) response.end(String(attestationOf(request)?.['x-ms-azurevm-vmid']));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const get = (headers: Record<string, string>): Promise<{ status: unknown; text: string }> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/who', ...headers });
        let status: unknown;
        let text = '';
        stream.on('response', (answer) => (status = answer[':status']));
        stream.on('data', (data) => (text += data));
        stream.on('end', () => resolve({ status, text }));
        stream.on('error', reject);
      });
    expect(await get({ authorization })).toEqual({ status: 200, text: VM_ID });
    expect((await get({})).status).toBe(401);
    session.close();
    server.close();
  });
});

afterAll(() => vi.restoreAllMocks());
