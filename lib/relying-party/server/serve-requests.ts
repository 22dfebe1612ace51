import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { bytesOrText, callable, flag, integer, numberWithin, text } from '../../base/option-kinds.js';
import { checkArgument, checkOptions, nested, type OptionTable, required } from '../../base/options.js';
import { nodeListener, type WebHandler } from './node-listener.js';
import { RateLimit } from './rate-limit.js';

export interface ServerTls {
  /** PEM. */
  cert: string | Uint8Array;
  /** PEM. */
  key: string | Uint8Array;
  /** Certificate authorities of clients, PEM: then every client must show a certificate of one of them. */
  clientCa?: string | Uint8Array;
}

export interface ServeOptions {
  /** Default 0: any. */
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  tls?: ServerTls;
  /** Connections at the same time; more are closed at once. Default 1,024. */
  maxConnections?: number;
  /** For a request to arrive, its headers and body. Default 10,000. */
  requestTimeoutMs?: number;
  /** Requests of one address in a second, with twice as many (one at least) at once. Default: no limit. */
  requestsPerSecond?: number;
  /** Health, readiness and metrics are not limited. Default true. */
  exemptProbes?: boolean;
}

/** A running server. */
export interface ServedRequests {
  readonly port: number;
  readonly server: Server;
  /** Takes no more connections, lets requests in progress end within `graceMs` (default 10,000), and closes the rest. */
  close(graceMs?: number): Promise<void>;
}

const TLS: OptionTable<ServerTls> = {
  cert: required(bytesOrText),
  key: required(bytesOrText),
  clientCa: bytesOrText,
};

const SERVE: OptionTable<ServeOptions> = {
  port: integer(0, 65_535),
  host: text,
  tls: nested<ServerTls>(TLS),
  maxConnections: integer(1, 1_000_000),
  requestTimeoutMs: integer(100, 600_000),
  requestsPerSecond: numberWithin(0.1, 1_000_000),
  exemptProbes: flag,
};

const MAXIMUM_HEADERS = 32 * 1024;
const PROBES: readonly string[] = ['/healthz', '/readyz', '/metrics'];

/**
 * Serves a handler of web `Request`s over HTTP or HTTPS (TLS 1.2 and newer), with limits on connections, time and rate.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export async function serveRequests(handler: WebHandler, options: ServeOptions = {}): Promise<ServedRequests> {
  checkArgument('serveRequests', 'handler', handler, callable<WebHandler>());
  const checked = checkOptions<ServeOptions>('serveRequests', options, SERVE);
  const {
    port = 0,
    host = '127.0.0.1',
    maxConnections = 1_024,
    requestTimeoutMs = 10_000,
    exemptProbes = true,
  } = checked;
  const listener = nodeListener(handler);
  const limit = checked.requestsPerSecond === undefined ? undefined : new RateLimit(checked.requestsPerSecond);
  const timeouts = {
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
    maxHeaderSize: MAXIMUM_HEADERS,
    keepAliveTimeout: 5_000,
  };
  const server =
    checked.tls === undefined ? createServer(timeouts) : createTlsServer({ ...timeouts, ...tlsOf(checked.tls) });
  server.maxConnections = maxConnections;
  const sockets = new Set<Socket>();
  /** The last answer of each connection. */
  const answers = new Map<Socket, ServerResponse>();
  let closing = false;
  server.on('request', (request, response) => {
    const { socket } = request;
    if (!answers.has(socket)) socket.once('close', () => answers.delete(socket));
    answers.set(socket, response);
    if (closing) response.setHeader('Connection', 'close');
    const isProbe = exemptProbes && PROBES.includes((request.url ?? '').split('?', 1)[0] ?? '');
    if (!isProbe && limit?.allows(request.socket.remoteAddress ?? '') === false) tooMany(response);
    else listener(request, response);
  });
  // Below TLS, where a connection is one before its handshake is.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Connections that send nothing at all (the HTTP timeouts begin with the first byte of a request), and those that do not
  // read their answers. Node sets a socket's own time to this again after each answer, so that it must be the server's.
  server.setTimeout(requestTimeoutMs + 5_000, (socket: Socket) => {
    if (answers.get(socket)?.writableEnded !== false) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    server,
    close: async (graceMs = 10_000) => {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      for (const response of answers.values()) if (!response.headersSent) response.setHeader('Connection', 'close');
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function tlsOf({ cert, key, clientCa }: ServerTls): object {
  return {
    cert: asPem(cert),
    key: asPem(key),
    minVersion: 'TLSv1.2',
    handshakeTimeout: 10_000,
    ...(clientCa !== undefined && { ca: asPem(clientCa), requestCert: true, rejectUnauthorized: true }),
  };
}

const asPem = (value: string | Uint8Array): string | Buffer => (typeof value === 'string' ? value : Buffer.from(value));

function tooMany(response: ServerResponse): void {
  response.writeHead(429, { 'Content-Type': 'application/json', 'Retry-After': '1' });
  response.end('{"error":{"code":"ERR_RATE","message":"too many requests"}}');
}
