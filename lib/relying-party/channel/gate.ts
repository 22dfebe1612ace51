import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { CHANNEL_PATH, CLIENT_PATH, MAX_MESSAGE_BYTES } from './protocol.js';
import { type ChannelAnswer, notAttested, ServerConnection, type ServerRules } from './server-connection.js';

/** What `mayAsk` is shown of a challenge before the TPM is asked. */
export interface ChannelRequest {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  socket: TLSSocket;
}

export interface GateRules extends ServerRules {
  mayAsk: ((request: ChannelRequest) => boolean | Promise<boolean>) | undefined;
}

interface Emitter {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

const PATHS: readonly string[] = [CHANNEL_PATH, CLIENT_PATH];
const JSON_TYPE = 'application/json';

/**
 * Stands before every listener of a server, also those that are added later: what it does not let through is not emitted.
 * Gated are all events by which a peer reaches an application: request, checkContinue, checkExpectation, upgrade, connect
 * and the streams of HTTP/2.
 */
export class Gate {
  readonly #rules: GateRules;
  readonly #connections = new WeakMap<object, ServerConnection>();

  constructor(rules: GateRules) {
    this.#rules = rules;
  }

  guard(server: Emitter): void {
    const emit = server.emit.bind(server);
    server.emit = (event, ...args) => {
      switch (event) {
        case 'secureConnection':
          return this.#connected(args[0] as TLSSocket, () => emit(event, ...args));
        case 'session':
          return this.#session(args[0] as Http2Session, () => emit(event, ...args));
        case 'stream':
          return this.#stream(args[0] as ServerHttp2Stream, args[1] as Record<string, string>, () =>
            emit(event, ...args),
          );
        case 'request':
        case 'checkContinue':
        case 'checkExpectation':
          return this.#request(args[0] as IncomingMessage, args[1] as ServerResponse, () => emit(event, ...args));
        case 'upgrade':
        case 'connect':
          return this.#takeOver(args[1] as Duplex, () => emit(event, ...args));
        default:
          return emit(event, ...args);
      }
    };
  }

  /** The socket whose `secureConnection` is being emitted: an HTTP/2 session shows its socket only behind a proxy. */
  #current: ServerConnection | undefined;

  #connected(socket: TLSSocket, pass: () => boolean): boolean {
    try {
      this.#current = new ServerConnection(socket, this.#rules);
      this.#connections.set(socket, this.#current);
      return pass();
    } catch (error) {
      this.#rules.onRefusal(error);
      socket.destroy();
      return true;
    } finally {
      this.#current = undefined;
    }
  }

  #session(session: Http2Session, pass: () => boolean): boolean {
    if (this.#current !== undefined) this.#connections.set(session, this.#current);
    return pass();
  }

  #request(request: IncomingMessage, response: ServerResponse, pass: () => boolean): boolean {
    // The compatibility layer of HTTP/2 makes requests of streams that were let through.
    if (request.httpVersionMajor >= 2) return pass();
    const connection = this.#connections.get(request.socket);
    const socket = request.socket as TLSSocket;
    if (connection === undefined) {
      request.socket.destroy();
      return true;
    }
    if (PATHS.includes(request.url ?? '')) {
      void this.#exchange(connection, { method: request.method ?? '', path: request.url ?? '' }, request, {
        headers: request.headers,
        socket,
      }).then((answer) => answerHttp1(response, answer));
      return true;
    }
    if (connection.admitted) return pass();
    answerHttp1(response, notAttested());
    return true;
  }

  #stream(stream: ServerHttp2Stream, headers: Record<string, string>, pass: () => boolean): boolean {
    const connection = stream.session === undefined ? undefined : this.#connections.get(stream.session);
    if (connection === undefined) {
      stream.destroy();
      return true;
    }
    const path = headers[':path'] ?? '';
    if (PATHS.includes(path)) {
      const socket = stream.session?.socket as TLSSocket;
      void this.#exchange(connection, { method: headers[':method'] ?? '', path }, stream, { headers, socket }).then(
        (answer) => answerHttp2(stream, answer),
      );
      return true;
    }
    if (connection.admitted) return pass();
    answerHttp2(stream, notAttested());
    return true;
  }

  /** Upgraded and tunnelled connections: no answer in a protocol that the peer has just left, but the plain one. */
  #takeOver(socket: Duplex, pass: () => boolean): boolean {
    if (this.#connections.get(socket)?.admitted === true) return pass();
    const { body = '' } = notAttested();
    socket.end(
      `HTTP/1.1 403 Forbidden\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
    return true;
  }

  async #exchange(
    connection: ServerConnection,
    { method, path }: { method: string; path: string },
    source: AsyncIterable<Uint8Array>,
    request: ChannelRequest,
  ): Promise<ChannelAnswer> {
    const { mayAsk } = this.#rules;
    const body = await readBody(source);
    if (body === undefined) return { status: 413, close: true };
    return connection.answer(method, path, body, async () =>
      mayAsk === undefined ? true : (await mayAsk(request)) === true,
    );
  }
}

async function readBody(source: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of source) {
      size += part.length;
      if (size > MAX_MESSAGE_BYTES) return undefined;
      parts.push(part);
    }
  } catch {
    return undefined; // the peer has left: nobody reads the answer
  }
  return Buffer.concat(parts);
}

function answerHttp1(response: ServerResponse, { status, body = '', retryAfter, close }: ChannelAnswer): void {
  if (response.destroyed) return;
  const headers = headersOf(body, retryAfter);
  response.writeHead(status, close ? { ...headers, Connection: 'close' } : headers);
  const { socket } = response;
  response.end(body, () => {
    if (close) socket?.destroySoon();
  });
}

function answerHttp2(stream: ServerHttp2Stream, { status, body = '', retryAfter, close }: ChannelAnswer): void {
  if (stream.destroyed || stream.closed) return;
  const { session } = stream;
  stream.on('error', () => undefined);
  stream.respond({ ':status': status, ...headersOf(body, retryAfter) });
  stream.end(body, () => {
    if (close) session?.close();
  });
}

function headersOf(body: string, retryAfter: number | undefined): Record<string, string> {
  return {
    ...(body !== '' && { 'Content-Type': JSON_TYPE }),
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
  };
}
