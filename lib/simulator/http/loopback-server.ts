import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoopbackTls } from '../pki/tls.js';
import { type Answer, type Behaviour, encodeBody, textAnswer } from './behaviour.js';

/** So that a long run does not fill the memory. */
const keptRequests = 100;

/** A request as a simulated service saw it. */
export interface ReceivedRequest {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Largest request body that is read: the guest protocol's is 37 kB and 16/9 bytes for each byte of event log. */
const maxBodySize = 16 * 1024 * 1024;

/**
 * An HTTP server on 127.0.0.1 that answers as its subclass says, except where {@link respond} told it to misbehave.
 * Keeps the requests that it got.
 */
export abstract class LoopbackServer {
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';
  readonly #behaviours = new Map<string, { behaviour: Behaviour; left: number }[]>();
  readonly #requests: ReceivedRequest[] = [];

  constructor(tls?: LoopbackTls) {
    this.#scheme = tls ? 'https' : 'http';
    const listener: RequestListener = (request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server = tls
      ? createTlsServer({ key: tls.privateKeyPem, cert: tls.certificate.pem }, listener)
      : createServer(listener);
    this.#server.keepAliveTimeout = 1000;
  }

  /** The proper answer to a request. */
  protected abstract answer(request: ReceivedRequest): Promise<Answer> | Answer;

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
  }

  /** Origin without a slash at the end; `https://localhost:…` with TLS. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return this.#scheme === 'https' ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  }

  /** What was asked, in order; the latest hundred requests. */
  get requests(): readonly ReceivedRequest[] {
    return this.#requests;
  }

  /**
   * Queues behaviours for requests to `path` (without query, compared case-insensitively); each is used up in turn,
   * then the service answers as it should. `*` stands for every path that has none of its own.
   */
  respond(path: string, ...behaviours: Behaviour[]): void {
    const queue = this.#behaviours.get(path.toLowerCase()) ?? [];
    queue.push(...behaviours.map((behaviour) => ({ behaviour, left: behaviour.times ?? 1 })));
    this.#behaviours.set(path.toLowerCase(), queue);
  }

  /** Forgets the behaviours that are still queued. */
  clearBehaviours(): void {
    this.#behaviours.clear();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Whether a program that has nothing else to do may end. */
  unref(): void {
    this.#server.unref();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await receive(incoming, this.url);
    if (!request) return send(response, textAnswer(413, 'request body too large'));
    this.#requests.push(request);
    if (this.#requests.length > keptRequests) this.#requests.shift();
    const behaviour = this.#takeBehaviour(request.url.pathname);
    if (behaviour?.kind === 'hang') return;
    if (behaviour?.kind === 'close') {
      response.destroy();
      return;
    }
    await misbehave(response, behaviour, async () => this.answer(request));
  }

  #takeBehaviour(path: string): Behaviour | undefined {
    const queue = this.#behaviours.get(path.toLowerCase()) ?? this.#behaviours.get('*');
    const entry = queue?.[0];
    if (!queue || !entry) return undefined;
    if (--entry.left <= 0) queue.shift();
    return entry.behaviour;
  }
}

async function receive(incoming: IncomingMessage, origin: string): Promise<ReceivedRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodySize) return undefined;
    chunks.push(chunk);
  }
  return {
    method: incoming.method ?? 'GET',
    url: new URL(incoming.url ?? '/', origin),
    headers: incoming.headers,
    body: Buffer.concat(chunks),
  };
}

async function misbehave(
  response: ServerResponse,
  behaviour: Behaviour | undefined,
  proper: () => Promise<Answer>,
): Promise<void> {
  switch (behaviour?.kind) {
    case 'answer': {
      const { status = 200, headers = {}, body } = behaviour;
      return send(response, {
        status,
        headers: { 'content-type': 'application/json', ...headers },
        body: encodeBody(body),
      });
    }
    case 'oversized':
      return sendOversized(response, behaviour.bytes);
    case 'delay':
      await sleep(behaviour.ms, undefined, { ref: false });
      return send(response, await proper());
    case 'modify':
      return send(response, behaviour.modify(await proper()));
    case 'hang-after-headers':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).flushHeaders();
      return;
    case 'close-mid-body': {
      const { status, headers, body } = await proper();
      response.writeHead(status, { ...headers, 'content-length': String(body.length) });
      response.write(body.subarray(0, body.length >> 1), () => response.destroy());
      return;
    }
    case 'drip':
      return drip(response, await proper(), behaviour.intervalMs);
    default:
      return send(response, await proper());
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': String(body.length) }).end(body);
}

async function drip(response: ServerResponse, { status, headers, body }: Answer, intervalMs: number): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': String(body.length) });
  for (const byte of body) {
    if (response.destroyed) return;
    response.write(Uint8Array.of(byte));
    await sleep(intervalMs, undefined, { ref: false });
  }
  response.end();
}

/** `{"token":"AAAA…` without a length in advance, so that a client has to count for itself. */
async function sendOversized(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' });
  await pipeline(function* () {
    yield '{"token":"';
    for (let left = bytes; left > 0; left -= oversizedPiece.length) yield oversizedPiece.subarray(0, left);
    yield '"}';
  }, response);
}

const oversizedPiece = Buffer.alloc(64 * 1024, 'A');
