import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a server does with a connection instead of serving it. */
export type Misconduct = (socket: Socket) => void;

/** Stands in front of a service on the loopback interface: passes connections on, or maltreats them. */
export class UnreliableServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #only: RegExp | undefined;
  readonly #sockets = new Set<Socket>();
  misconduct: Misconduct | undefined;
  /** Connections that were maltreated. */
  struck = 0;

  private constructor(target: URL, only: RegExp | undefined) {
    this.#target = target;
    this.#only = only;
    this.#server = createServer((socket) => {
      this.#keep(socket);
      if (this.#only === undefined) {
        this.#treat(socket);
        return;
      }
      socket.once('data', (start) => {
        const chosen = this.#only?.test(start.toString('latin1'));
        if (chosen) this.#treat(socket);
        else this.#pass(socket);
        socket.unshift(start);
      });
    });
  }

  /** @param only the beginning of the requests that are maltreated, any by default */
  static async before(target: string, only?: RegExp): Promise<UnreliableServer> {
    const server = new UnreliableServer(new URL(target), only);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  url(scheme: 'http' | 'https'): string {
    return `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #treat(socket: Socket): void {
    if (this.misconduct === undefined) {
      this.#pass(socket);
    } else {
      this.struck++;
      this.misconduct(socket);
    }
  }

  #pass(socket: Socket): void {
    const upstream = this.#keep(connect(Number(this.#target.port), this.#target.hostname));
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

/** Waits for a request, then answers with these bytes; the connection stays open unless they say otherwise. */
const answers =
  (head: string, body = ''): Misconduct =>
  (socket) =>
    socket.once('data', () => socket.write(`HTTP/1.1 ${head}\r\n\r\n${body}`));

/** Sends pieces until the other side has had enough. */
const floods =
  (start: string, piece: string): Misconduct =>
  (socket) =>
    socket.once('data', () => {
      socket.write(start);
      const more = (): void => {
        while (!socket.destroyed && socket.write(piece));
      };
      socket.on('drain', more);
      more();
    });

const dripping: Misconduct = (socket) =>
  socket.once('data', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n{"token":"';
    let at = 0;
    const timer = setInterval(() => socket.write(text[at++] ?? 'A'), 20);
    socket.on('close', () => clearInterval(timer));
  });

/** Never ends, never goes beyond what may be sent, and never sends more than a few bytes a second. */
const tooSlowly: Misconduct = (socket) =>
  socket.once('data', () => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const timer = setInterval(() => socket.write('1\r\n \r\n'), 100);
    socket.on('close', () => clearInterval(timer));
  });

const slowHeaders: Misconduct = (socket) =>
  socket.once('data', () => {
    socket.write('HTTP/1.1 200 OK\r\n');
    let count = 0;
    const timer = setInterval(() => socket.write(`X-${count++}: a\r\n`), 50);
    socket.on('close', () => clearInterval(timer));
  });

const page = '<html><body>Sign in to the network</body></html>';

/** Every misconduct; `slow` ones end by the caller's timeout alone. */
export const misconducts: Record<string, { conduct: Misconduct; slow?: true }> = {
  'accepts and says nothing': { conduct: () => {}, slow: true },
  'closes at once': { conduct: (socket) => socket.destroy() },
  'resets at once': { conduct: (socket) => void socket.resetAndDestroy() },
  'closes after the request': { conduct: (socket) => socket.once('data', () => socket.end()) },
  'stops in the status line': { conduct: (s) => s.once('data', () => s.write('HTTP/1.1 20')), slow: true },
  'stops in the headers': { conduct: (s) => s.once('data', () => s.write('HTTP/1.1 200 OK\r\nA: b')), slow: true },
  'stops after the headers': { conduct: answers('200 OK\r\nContent-Length: 100'), slow: true },
  'stops in the body': { conduct: answers('200 OK\r\nContent-Length: 100', '{"token"'), slow: true },
  'closes in the body': {
    conduct: (s) => s.once('data', () => s.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"tok')),
  },
  'closes in a chunk': {
    conduct: (s) => s.once('data', () => s.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"tok')),
  },
  'answers byte by byte': { conduct: dripping, slow: true },
  'sends header after header, slowly': { conduct: slowHeaders, slow: true },
  'sends a body too slowly': { conduct: tooSlowly, slow: true },
  'speaks another protocol': { conduct: (s) => s.end('SSH-2.0-OpenSSH_9.2\r\n') },
  'sends endless headers': { conduct: floods('HTTP/1.1 200 OK\r\n', `X-Padding: ${'a'.repeat(900)}\r\n`) },
  'sends an endless body': {
    conduct: floods('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', `4000\r\n${' '.repeat(0x4000)}\r\n`),
  },
  'announces an enormous body': { conduct: answers('200 OK\r\nContent-Length: 99999999999') },
  'has two content lengths': { conduct: answers('200 OK\r\nContent-Length: 2\r\nContent-Length: 3', '{}') },
  compresses: { conduct: answers('200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2', '{}') },
  'answers with a page': {
    conduct: answers(`200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}`, page),
  },
  'answers with nothing': { conduct: answers('200 OK\r\nContent-Length: 0') },
  'answers with an array': { conduct: answers('200 OK\r\nContent-Type: application/json\r\nContent-Length: 2', '[]') },
  'answers without content': { conduct: answers('204 No Content') },
  redirects: { conduct: answers('302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0') },
  'asks for patience, a year of it': {
    conduct: answers('429 Too Many Requests\r\nRetry-After: 31536000\r\nContent-Length: 0'),
  },
  'fails for ever': { conduct: answers('503 Service Unavailable\r\nContent-Length: 0') },
  'refuses credentials': { conduct: answers('401 Unauthorized\r\nContent-Length: 0') },
  'sends informational answers without end': { conduct: floods('', 'HTTP/1.1 102 Processing\r\n\r\n'), slow: true },
};
