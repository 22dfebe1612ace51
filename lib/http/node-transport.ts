import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { abortError } from '../base/abort.js';
import { proxyAuthorization, proxyFor } from './proxy.js';
import {
  BoundedBody,
  type ExchangeLimits,
  type HttpAnswer,
  HttpError,
  type HttpRequest,
  type Transport,
} from './transport.js';
import { openTunnel } from './tunnel.js';

export interface NodeTransportOptions {
  /** Certificates in PEM that are trusted in place of the bundled roots. */
  ca?: string;
  /** URL of the proxy, false for none. Default: what the environment says of the address. */
  proxy?: string | false;
}

/** Own connections, none of which is kept open; TLS certificates are always verified. */
export function nodeTransport(options: NodeTransportOptions = {}): Transport {
  const agents = { http: new http.Agent(), https: new https.Agent() };
  const { ca } = options;
  return (request, limits, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortError(signal));
        return;
      }
      const proxy = proxyFor(request.url, options.proxy);
      const secure = request.url.protocol === 'https:';
      const common = { method: request.method, headers: headersOf(request) };
      const settled = (outgoing: http.ClientRequest): Exchange =>
        new Exchange(outgoing, limits, signal, resolve, reject);
      if (proxy === undefined) {
        const outgoing = secure
          ? https.request(request.url, { ...common, agent: agents.https, ...(ca !== undefined && { ca }) })
          : http.request(request.url, { ...common, agent: agents.http });
        settled(outgoing).start(secure ? 'secureConnect' : 'connect', request.body);
      } else if (secure) {
        settled(throughTunnel(proxy, request.url, common, ca)).start('socket', request.body);
      } else {
        const [outgoing, connected] = throughProxy(proxy, request.url, common, ca);
        settled(outgoing).start(connected, request.body);
      }
    });
}

type Common = { method: string; headers: Record<string, string> };

function throughTunnel(proxy: URL, url: URL, common: Common, ca: string | undefined): http.ClientRequest {
  const outgoing = https.request(url, {
    ...common,
    createConnection: (_, connected) => {
      const giveUp = openTunnel(proxy, url, ca, (error, socket) => connected(error, socket as Duplex));
      setImmediate(() => outgoing.once('close', giveUp));
      return undefined;
    },
  });
  return outgoing;
}

/** Plain HTTP: the proxy gets the whole address and asks for us (RFC 9112 section 3.2.2). */
function throughProxy(
  proxy: URL,
  url: URL,
  common: Common,
  ca: string | undefined,
): [http.ClientRequest, 'connect' | 'secureConnect'] {
  const secure = proxy.protocol === 'https:';
  const request = {
    method: common.method,
    path: `${url.origin}${url.pathname}${url.search}`,
    headers: { Host: url.host, ...common.headers, ...proxyAuthorization(proxy) },
    agent: false,
  } as const;
  const address = new URL(proxy);
  address.username = '';
  address.password = '';
  return secure
    ? [https.request(address, { ...request, ...(ca !== undefined && { ca }) }), 'secureConnect']
    : [http.request(address, request), 'connect'];
}

function headersOf(request: HttpRequest): Record<string, string> {
  return {
    Accept: '*/*',
    'Accept-Encoding': 'identity',
    ...request.headers,
    ...(request.body !== undefined && { 'Content-Length': String(Buffer.byteLength(request.body)) }),
  };
}

/** One request on its way: its timers, its listeners, and the one place where it settles. */
class Exchange {
  readonly #body: BoundedBody;
  readonly #connectTimer: NodeJS.Timeout;
  readonly #totalTimer: NodeJS.Timeout;
  #settled = false;

  constructor(
    readonly outgoing: http.ClientRequest,
    readonly limits: ExchangeLimits,
    readonly signal: AbortSignal | undefined,
    readonly resolve: (answer: HttpAnswer) => void,
    readonly reject: (error: Error) => void,
  ) {
    this.#body = new BoundedBody(limits.maxBodyBytes);
    const { connectTimeoutMs, timeoutMs } = limits;
    this.#connectTimer = setTimeout(() => this.#timeOut('no connection', connectTimeoutMs), connectTimeoutMs);
    this.#totalTimer = setTimeout(() => this.#timeOut('no complete answer', timeoutMs), timeoutMs);
  }

  /** @param connected what says that there is a connection: of its socket, or `socket` when that comes connected */
  start(connected: 'connect' | 'secureConnect' | 'socket', body: string | Uint8Array | undefined): void {
    this.signal?.addEventListener('abort', this.#onAbort, { once: true });
    const isConnected = (): void => clearTimeout(this.#connectTimer);
    this.outgoing.once('socket', (socket) =>
      connected === 'socket' ? isConnected() : socket.once(connected, isConnected),
    );
    // Stays on after the exchange has settled: destroying the request may emit a late error.
    this.outgoing.on('error', (cause) => this.#fail(new HttpError('unreachable', describe(cause), cause)));
    this.outgoing.once('close', () => {
      if (!this.#settled) this.#fail(new HttpError('unreachable', 'the connection was closed early'));
    });
    this.outgoing.once('response', (incoming) => this.#receive(incoming));
    this.outgoing.end(body);
  }

  #receive(incoming: http.IncomingMessage): void {
    incoming.on('error', (cause) => this.#fail(new HttpError('unreachable', describe(cause), cause)));
    this.#orFail(() => {
      const encoding = incoming.headers['content-encoding'];
      if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
        throw new HttpError('unreadable', 'the answer is compressed, which was not offered');
      }
      this.#body.expect(Number(incoming.headers['content-length'] ?? 0));
    });
    incoming.on('data', (chunk: Buffer) => this.#orFail(() => this.#body.add(chunk)));
    incoming.once('end', () => {
      if (!this.#settle()) return;
      const headers = Object.fromEntries(
        Object.entries(incoming.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(', ') : (value ?? ''),
        ]),
      );
      this.resolve({ status: incoming.statusCode ?? 0, headers, body: this.#body.bytes() });
    });
  }

  readonly #onAbort = (): void => this.#fail(abortError(this.signal as AbortSignal));

  #timeOut(what: string, milliseconds: number): void {
    this.#fail(new HttpError('timeout', `${what} within ${milliseconds} ms`));
  }

  #orFail(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (!this.#settle()) return;
    this.outgoing.destroy();
    this.reject(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#totalTimer);
    this.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

/** The error's code first: its message alone is empty for some connection failures. */
function describe(error: Error & { code?: string }): string {
  return [error.code, error.message].filter((part) => part !== undefined && part !== '').join(': ');
}
