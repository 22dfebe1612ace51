import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** A forward proxy for tests, which writes down what it is asked for. */
export interface TestProxy extends AsyncDisposable {
  url: string;
  /** `CONNECT host:port` and `GET http://host:port/path`, in order. */
  asked: string[];
  authorization: (string | undefined)[];
  /** What it answers to CONNECT instead of connecting. */
  refuseWith?: number;
}

export async function startProxy(): Promise<TestProxy> {
  const proxy: Omit<TestProxy, typeof Symbol.asyncDispose> = { url: '', asked: [], authorization: [] };
  const note = ({ method, url, headers }: IncomingMessage): void => {
    proxy.asked.push(`${method} ${url}`);
    proxy.authorization.push(headers['proxy-authorization']);
  };
  const sockets = new Set<Duplex>();
  const server = createServer((incoming, answer) => {
    note(incoming);
    const onward = request(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => answer.writeHead(502).end());
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, client: Duplex) => {
    note(incoming);
    client.on('error', () => {});
    if (proxy.refuseWith !== undefined) {
      client.end(`HTTP/1.1 ${proxy.refuseWith} No\r\n\r\n`);
      return;
    }
    const [host = '', port = ''] = (incoming.url ?? '').split(':');
    const onward = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(client).pipe(onward);
    });
    onward.on('error', () => client.destroy());
    sockets.add(onward).add(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(proxy, {
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
