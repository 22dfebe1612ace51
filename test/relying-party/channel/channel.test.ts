import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type ClientHttp2Session, constants } from 'node:http2';
import { request } from 'node:https';
import type { Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import * as undici from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  attestedDispatcher,
  attestedServer,
  attestedTlsServer,
  connectAttested,
  connectAttestedHttp2,
} from '../../../lib/relying-party/index.js';
import { closed, dialling, listening, type Machine, startMachine } from './machines.js';

let one: Machine;
let other: Machine;
const servers: Server[] = [];

beforeAll(async () => {
  [one, other] = await Promise.all([startMachine(), startMachine()]);
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map(closed));
});
afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
});

const serve = async (server: Server): Promise<number> => {
  servers.push(server);
  return listening(server);
};

/** One request on a socket that is attested already. */
async function ask(socket: TLSSocket, path = '/'): Promise<{ status: number; body: string }> {
  const sent = request({ createConnection: () => socket, path, host: '127.0.0.1' });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let body = '';
  for await (const part of answer.setEncoding('utf8')) body += part;
  return { status: answer.statusCode ?? 0, body };
}

async function askHttp2(session: ClientHttp2Session, path = '/'): Promise<{ status: number; body: string }> {
  const stream = session.request({ ':path': path });
  stream.end();
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  let body = '';
  for await (const part of stream.setEncoding('utf8')) body += part;
  return { status: Number(headers[constants.HTTP2_HEADER_STATUS]), body };
}

describe('attested channel', () => {
  it('gives a client a socket that ends in the machine that it names', async () => {
    const port = await serve(attestedServer({ client: one.client }, (_, response) => response.end('hello')));
    const socket = await connectAttested(dialling(port, one.demands));
    expect(socket.attestation).toMatchObject({ role: 'server', keyBornThere: true, remembered: false });
    expect(socket.attestation?.evidence.tee).toBe('snp');
    expect(await ask(socket)).toEqual({ status: 200, body: 'hello' });
  });

  it('remembers a machine whose key was made in its process, and asks the TPM no more', async () => {
    const port = await serve(attestedServer({ client: one.client }, (_, response) => response.end('hello')));
    await connectAttested(dialling(port, one.demands)).then((socket) => socket.destroy());
    const again = await connectAttested(dialling(port, one.demands));
    expect(again.attestation).toMatchObject({ remembered: true });
    again.destroy();
  });

  it('refuses a machine that is not the one named, although it is of the same kind', async () => {
    const port = await serve(attestedServer({ client: other.client }));
    await expect(
      connectAttested(dialling(port, { ...other.demands, policy: one.demands.policy })),
    ).rejects.toMatchObject({
      code: 'ERR_POLICY',
    });
  });

  it('lets a client in after it has attested, and tells the application who it is', async () => {
    const seen: (string | undefined)[] = [];
    const server = attestedServer({ client: one.client, clients: other.demands }, (message, response) => {
      seen.push((message.socket as TLSSocket).attestation?.role);
      response.end('in');
    });
    const port = await serve(server);
    const socket = await connectAttested({ ...dialling(port, one.demands), client: other.client });
    expect(await ask(socket)).toEqual({ status: 200, body: 'in' });
    expect(seen).toEqual(['client']);

    const again = await connectAttested({ ...dialling(port, one.demands), client: other.client });
    expect(again.attestation?.remembered).toBe(true);
    expect(await ask(again)).toEqual({ status: 200, body: 'in' });
  });

  it('refuses a third machine as a client', async () => {
    const third = await startMachine();
    try {
      const refusals: unknown[] = [];
      // A rejection that nobody handles would fail this run.
      const onRefusal = async (error: unknown): Promise<void> => {
        refusals.push(error);
        throw new Error('log sink is down');
      };
      const server = attestedServer({ client: one.client, clients: other.demands, onRefusal });
      const port = await serve(server);
      await expect(connectAttested({ ...dialling(port, one.demands), client: third.client })).rejects.toMatchObject({
        code: 'ERR_CHANNEL_REFUSED',
      });
      expect(refusals).toContainEqual(expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }));
    } finally {
      await third.stop();
    }
  });

  it('refuses a client that attests nothing where clients have to', async () => {
    const port = await serve(
      attestedServer({ client: one.client, clients: other.demands }, () => expect.unreachable()),
    );
    await expect(connectAttested(dialling(port, one.demands))).rejects.toMatchObject({ code: 'ERR_CHANNEL_REFUSED' });
  });

  it('works over HTTP/2, in both directions', async () => {
    const server = attestedServer({ client: one.client, clients: other.demands, http2: true }, (message, response) => {
      response.end(String((message.socket as TLSSocket).attestation?.role));
    });
    const port = await serve(server);
    const session = await connectAttestedHttp2({ ...dialling(port, one.demands), client: other.client });
    expect(await askHttp2(session)).toEqual({ status: 200, body: 'client' });
    session.destroy();
    const plain = await connectAttested({ ...dialling(port, one.demands), client: other.client });
    expect(await ask(plain)).toMatchObject({ status: 200 });
  });

  it('carries a protocol of its own over a bare TLS socket', async () => {
    const server = attestedTlsServer({ client: one.client, clients: other.demands }, (socket) => socket.pipe(socket));
    const port = await serve(server);
    for (const remembered of [false, true]) {
      const options = { ...dialling(port, one.demands), client: other.client, bare: true };
      const socket = await connectAttested(options);
      expect(socket.attestation?.remembered).toBe(remembered);
      socket.write('ping');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toBe('ping');
      socket.destroy();
    }
  });

  it('serves a pool of undici, and follows no redirect to another origin', async () => {
    const server = attestedServer({ client: one.client }, (message, response) => {
      const target = { '/away': 'https://localhost:1/', '/here': '/there' }[message.url ?? ''];
      if (target === undefined) response.end(message.url);
      else response.writeHead(302, { Location: target }).end();
    });
    const port = await serve(server);
    const { host: _, port: __, ...options } = dialling(port, one.demands);
    const { dispatcher, fetch } = attestedDispatcher(undici, options);
    try {
      const origin = `https://127.0.0.1:${port}`;
      expect(await (await fetch(`${origin}/here`)).text()).toBe('/there');
      await expect(fetch(`${origin}/away`)).rejects.toMatchObject({ code: 'ERR_CHANNEL_REDIRECT' });
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ cause: { code: 'ERR_CHANNEL_TLS' } });
    } finally {
      await dispatcher.destroy();
    }
  });

  it('demands a report made for this connection, and one report serves several', async () => {
    const port = await serve(attestedServer({ client: one.client, maxQuotesPerSecond: 100 }));
    const fresh = { ...dialling(port, { ...one.demands, freshReport: true, maxAge: 5000 }) };
    const sockets = await Promise.all([1, 2, 3].map(() => connectAttested(fresh)));
    for (const socket of sockets) {
      expect(socket.attestation?.evidence.reportFresh).toBe(true);
      socket.destroy();
    }
  });

  it('closes a connection when its verification has grown too old', async () => {
    const port = await serve(attestedServer({ client: one.client }));
    const socket = await connectAttested(dialling(port, { ...one.demands, maxAge: 700 }));
    await once(socket, 'close');
    expect(socket.destroyed).toBe(true);
  });

  it('gives evidence to nobody whom mayAsk turns away', async () => {
    const port = await serve(attestedServer({ client: one.client, mayAsk: () => false }));
    await expect(connectAttested(dialling(port, { ...one.demands, maxAge: 1234 }))).rejects.toMatchObject({
      code: 'ERR_CHANNEL_REFUSED',
    });
  });

  it('works between two machines with Intel TDX', async () => {
    const tdx = await startMachine({ vmType: 'tdx' });
    try {
      const port = await serve(attestedServer({ client: tdx.client }, (_, response) => response.end('tdx')));
      const socket = await connectAttested(dialling(port, tdx.demands));
      expect(socket.attestation?.evidence.tee).toBe('tdx');
      expect(await ask(socket)).toMatchObject({ body: 'tdx' });
    } finally {
      await tdx.stop();
    }
  });
});

describe('options of the attested channel', () => {
  const base = { host: 'localhost', tls: { rejectUnauthorized: false } };

  it.each([
    ['no policy and no certificate check', base],
    ['a policy that names a kind of machine', { ...base, policy: { minimumGuestSvn: 1 } }],
    ['PCR 4 alone', { ...base, policy: { pcrs: { 4: '00'.repeat(32) } } }],
    ['an empty list of machines', { ...base, policy: { vmIds: [] } }],
    ['a misspelt option', { ...base, polici: {} }],
    ['a TLS version', { ...base, tls: { minVersion: 'TLSv1.2' } }],
    ['a session', { ...base, tls: { session: Buffer.alloc(8) } }],
    ['a name check of its own', { ...base, tls: { checkServerIdentity: () => undefined } }],
    ['rejectUnauthorized as text', { host: 'localhost', tls: { rejectUnauthorized: 'false' } }],
    ['a lost policy', { ...base, policy: undefined }],
    ['a port as text', { host: 'localhost', port: '443' }],
    ['a key without its certificate', { host: 'localhost', tls: { key: 'k' } }],
    ['a maximum age of zero', { host: 'localhost', maxAge: 0 }],
  ])('refuse %s with code 8', async (_what, options) => {
    await expect(connectAttested(options as never)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it('refuse, at a server, clients of any kind of machine', () => {
    const { vmIds: _, ...policy } = one.demands.policy ?? {};
    expect(() => attestedServer({ client: one.client, clients: { ...one.demands, policy } })).toThrow(
      expect.objectContaining({ code: 8 }),
    );
  });
});
