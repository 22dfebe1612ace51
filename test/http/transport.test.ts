import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { fetchTransport } from '../../lib/http/fetch-transport.js';
import { nodeTransport } from '../../lib/http/node-transport.js';
import type { ExchangeLimits, Transport } from '../../lib/http/transport.js';
import { serve } from './server.js';

const limits: ExchangeLimits = { connectTimeoutMs: 2_000, timeoutMs: 2_000, maxBodyBytes: 1_000 };

describe.each<[string, Transport]>([
  ['own connections', nodeTransport()],
  ['a fetch', fetchTransport(fetch)],
])('an exchange over %s', (_, transport) => {
  it('carries method, headers and body there and status, headers and body back', async () => {
    await using server = await serve((response) => {
      response.writeHead(418, { 'Retry-After': '7', 'Content-Type': 'text/plain' }).end('teapot');
    });
    const answer = await transport(
      { method: 'POST', url: new URL('/a?b=c', server.url), headers: { Metadata: 'true' }, body: 'héllo' },
      limits,
    );
    expect(answer).toMatchObject({
      status: 418,
      headers: { 'retry-after': '7' },
      body: Uint8Array.from(Buffer.from('teapot')),
    });
    expect(server.seen).toMatchObject([{ method: 'POST', url: '/a?b=c', body: Buffer.from('héllo') }]);
    expect(server.seen[0]?.headers).toMatchObject({ metadata: 'true', accept: '*/*', 'content-length': '6' });
  });

  it('hands a redirect back instead of following it', async () => {
    await using server = await serve((response) => {
      response.writeHead(302, { Location: '/elsewhere' }).end();
    });
    const answer = await transport({ method: 'GET', url: server.url }, limits);
    expect(answer.status).toBe(302);
    expect(server.seen).toHaveLength(1);
  });

  it('ends at the first byte beyond the limit', async () => {
    await using server = await serve((response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'.repeat(600)), 5);
      response.on('close', () => clearInterval(drip));
    });
    await expect(transport({ method: 'GET', url: server.url }, limits)).rejects.toMatchObject({ reason: 'unreadable' });
  });

  it('takes a body of exactly the limit', async () => {
    await using server = await serve((response) => response.end('x'.repeat(1_000)));
    const answer = await transport({ method: 'GET', url: server.url }, limits);
    expect(answer.body.length).toBe(1_000);
  });

  it.each(['nothing', 'headers only', 'byte by byte'])('ends in time when the server sends %s', async (what) => {
    await using server = await serve((response) => {
      if (what !== 'nothing') response.writeHead(200).flushHeaders();
      if (what !== 'byte by byte') return;
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    });
    const exchange = transport({ method: 'GET', url: server.url }, { ...limits, timeoutMs: 150 });
    await expect(exchange).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('rejects with an AbortError as soon as the signal aborts', async () => {
    await using server = await serve(() => {});
    const controller = new AbortController();
    const exchange = transport({ method: 'GET', url: server.url }, limits, controller.signal);
    const refused = expect(exchange).rejects.toMatchObject({
      name: 'AbortError',
      cause: expect.objectContaining({ message: 'enough' }),
    });
    while (server.seen.length === 0) await sleep(5);
    controller.abort(new Error('enough'));
    await refused;
    await expect(transport({ method: 'GET', url: server.url }, limits, controller.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(server.seen).toHaveLength(1);
  });

  it('says that nobody listens', async () => {
    const port = await freePort();
    const exchange = transport({ method: 'GET', url: new URL(`http://127.0.0.1:${port}`) }, limits);
    await expect(exchange).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it.each(['', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', 'SSH-2.0-OpenSSH\r\n'])(
    'says that the connection broke after %j',
    async (sent) => {
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(sent));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        await expect(transport({ method: 'GET', url }, limits)).rejects.toMatchObject({ reason: 'unreachable' });
      } finally {
        server.close();
      }
    },
  );
});

describe('own connections', () => {
  it('refuse an announced length before reading, and a compressed body', async () => {
    await using long = await serve((response) => response.writeHead(200, { 'Content-Length': '1001' }).flushHeaders());
    await expect(nodeTransport()({ method: 'GET', url: long.url }, limits)).rejects.toMatchObject({
      reason: 'unreadable',
    });
    await using zipped = await serve((response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'));
    await expect(nodeTransport()({ method: 'GET', url: zipped.url }, limits)).rejects.toMatchObject({
      reason: 'unreadable',
    });
  });

  it('go past every proxy variable where they are told to, as those to instance metadata are', async () => {
    await using server = await serve((response) => response.end('direct'));
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'all_proxy']) vi.stubEnv(name, 'http://127.0.0.1:9');
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    try {
      const answer = await nodeTransport({ proxy: false })({ method: 'GET', url: server.url }, limits);
      expect(Buffer.from(answer.body).toString()).toBe('direct');
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('give up a TLS handshake that never ends', async () => {
    const server = createTcpServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
      const exchange = nodeTransport()({ method: 'GET', url }, { ...limits, connectTimeoutMs: 100 });
      await expect(exchange).rejects.toMatchObject({ reason: 'timeout', message: 'no connection within 100 ms' });
    } finally {
      server.close();
    }
  });
});

describe("the caller's fetch", () => {
  it('cannot hold an exchange up by ignoring its signal', async () => {
    const stuck = fetchTransport(() => new Promise(() => {}));
    const url = new URL('https://attest.example');
    await expect(stuck({ method: 'GET', url }, { ...limits, timeoutMs: 50 })).rejects.toMatchObject({
      reason: 'timeout',
    });
    const signal = AbortSignal.timeout(30);
    await expect(stuck({ method: 'GET', url }, limits, signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
