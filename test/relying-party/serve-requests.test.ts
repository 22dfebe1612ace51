import { generateKeyPairSync } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type ServedRequests,
  type ServeOptions,
  serveRequests,
  type WebHandler,
} from '../../lib/relying-party/index.js';
import { createLoopbackTls } from '../../lib/simulator/pki/tls.js';

const open: ServedRequests[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close(50)));
});

async function serve(handler: WebHandler, options: ServeOptions = {}): Promise<ServedRequests & { url: string }> {
  const served = await serveRequests(handler, options);
  open.push(served);
  return { ...served, url: `http://127.0.0.1:${served.port}` };
}

const echo: WebHandler = async (request) =>
  Response.json({ method: request.method, path: new URL(request.url).pathname, body: await request.text() });

const tlsIdentity = async (): Promise<{ ca: string; cert: string; key: string }> => {
  const { ca, certificate, privateKeyPem } = await createLoopbackTls();
  return { ca: ca.pem, cert: certificate.pem, key: privateKeyPem };
};

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

describe('serveRequests', () => {
  it('hands requests over and sends answers back, cookies one by one', async () => {
    const { url } = await serve(async (request) => {
      const headers = new Headers([
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ]);
      return new Response(await request.text(), { status: 201, headers });
    });
    const response = await fetch(`${url}/x?y`, { method: 'POST', body: 'data' });
    expect([response.status, await response.text()]).toEqual([201, 'data']);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  it('answers 500 when the handler fails, and says no more', async () => {
    const { url } = await serve(() => Promise.reject(new Error('password')));
    const response = await fetch(url);
    expect([response.status, (await response.text()).includes('password')]).toEqual([500, false]);
  });

  it.each([
    ['GET', '//', 200, '//'],
    ['GET', '///', 200, '///'],
    ['GET', '//u:p@h/', 200, '//u:p@h/'],
    ['GET', '//evil/kbs/v0/resource/a/b/c', 200, '//evil/kbs/v0/resource/a/b/c'],
    ['GET', 'http://evil/x', 200, '/'],
    ['TRACE', '/x', 405, undefined],
  ])('takes %s %s for what it says', async (method, path, status, seen) => {
    const { port } = await serve(echo);
    const [answered, body] = await new Promise<[number | undefined, { path?: string }]>((resolve, reject) => {
      httpRequest({ port, host: '127.0.0.1', method, path, agent: false }, async (response) => {
        resolve([response.statusCode, await json(response)] as [number, { path?: string }]);
      })
        .on('error', reject)
        .end();
    });
    expect([answered, body.path]).toEqual([status, seen]);
  });

  it('closes connections that send nothing, and serves others meanwhile', async () => {
    const { port, url } = await serve(echo, { maxConnections: 100, requestTimeoutMs: 300 });
    const idle = Array.from({ length: 300 }, () =>
      closed(
        connect(port, '127.0.0.1')
          .on('error', () => {})
          .resume(),
      ),
    );
    // Two hundred are closed at once, the first hundred when their time is over.
    await Promise.all(idle);
    expect((await fetch(url)).status).toBe(200);
  }, 20_000);

  it('ends a request that does not arrive in time', async () => {
    const { port } = await serve(echo, { requestTimeoutMs: 300 });
    const socket = connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
    let answer = '';
    socket.on('data', (data) => (answer += data));
    await closed(socket);
    expect(answer).toMatch(/^HTTP\/1.1 408/);
  });

  it('limits the requests of one address, but not its probes', async () => {
    const { url } = await serve(echo, { requestsPerSecond: 1 });
    const statuses = await Promise.all(Array.from({ length: 6 }, async () => (await fetch(`${url}/v1`)).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('lets requests in progress end when it closes, and no new ones begin', async () => {
    let answerNow = (): void => {};
    const { url, close } = await serve(async () => {
      await new Promise<void>((resolve) => {
        answerNow = resolve;
      });
      return new Response('done');
    });
    const running = fetch(url);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closing = close(5_000);
    await expect(fetch(url)).rejects.toThrow();
    answerNow();
    expect(await (await running).text()).toBe('done');
    await closing;
  });

  it('lets in who comes as seldom as a rate below one in two seconds allows', async () => {
    const { url } = await serve(echo, { requestsPerSecond: 0.4 });
    const statuses = [(await fetch(url)).status, (await fetch(url)).status];
    expect(statuses).toEqual([200, 429]);
  });

  it('gives each request of a connection the same time without progress, and none while its answer is made', async () => {
    const { port, server } = await serve(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return new Response('done');
    });
    const seen: [number | undefined, boolean][] = [];
    let last: Socket | undefined;
    server.on('request', ({ socket }) => {
      server.emit('timeout', socket);
      seen.push([socket.timeout, socket.destroyed]);
      last = socket;
    });
    const socket = connect(port, '127.0.0.1');
    for (let request = 0; request < 2; request++) {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await new Promise((resolve) => socket.once('data', resolve));
    }
    expect(seen).toEqual([
      [15_000, false],
      [15_000, false],
    ]);
    server.emit('timeout', last as Socket);
    expect(last?.destroyed).toBe(true);
    await closed(socket);
  });

  it('says in the answers that are in progress when it closes that their connections end', async () => {
    const { port, close } = await serve(async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return new Response('done');
    });
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data)).write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = performance.now();
    await Promise.all([close(5_000), closed(socket)]);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(answer).toMatch(/^HTTP\/1.1 200[\s\S]*\r\nConnection: close\r\n[\s\S]*done$/);
  });

  it('closes in time what has not finished its TLS handshake', async () => {
    const { cert, key } = await tlsIdentity();
    const { port, close } = await serve(echo, { tls: { cert, key } });
    const silent = connect(port, '127.0.0.1').on('error', () => {});
    await new Promise((resolve) => silent.once('connect', resolve));
    const started = performance.now();
    await close(100);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('speaks TLS, and asks clients for a certificate of the authority that it is given', async () => {
    const [server, client, stranger] = await Promise.all([tlsIdentity(), tlsIdentity(), tlsIdentity()]);
    const tls = { cert: server.cert, key: server.key, clientCa: client.ca };
    const { port } = await serve(echo, { tls });
    const ask = (identity: object): Promise<number | string> =>
      new Promise((resolve) => {
        const options = { port, host: '127.0.0.1', ca: server.ca, servername: 'localhost', agent: false, ...identity };
        httpsRequest(options, (response) => resolve(response.statusCode ?? 0))
          .on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'))
          .end();
      });
    expect(await ask({ cert: client.cert, key: client.key })).toBe(200);
    expect(await ask({ cert: stranger.cert, key: stranger.key })).not.toBe(200);
    expect(await ask({})).not.toBe(200);
  });

  it.each([
    ['a port that is none', { port: 70_000 }],
    [
      'a key without a certificate',
      { tls: { key: generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) } },
    ],
    ['a misspelt option', { hots: '0.0.0.0' }],
  ])('is not started with %s', async (_, wrong) => {
    await expect(serveRequests(echo, wrong as ServeOptions)).rejects.toMatchObject({ code: 8 });
  });
});
