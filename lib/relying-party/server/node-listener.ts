import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { invalid, readArguments } from '../../base/options.js';
import { type PlainHandler, type PlainWebHandler, plainHandler, rememberTarget, type WebHandler } from './exchange.js';

export type { WebHandler } from './exchange.js';

/** Those of a web `Request`; what it is not made with is not answered with a failure. */
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/**
 * A handler of web `Request`s as a listener of node:http and node:https. The handler bounds what it reads of a body; a body
 * that it does not read ends the connection.
 *
 * @throws {AttestationError} 8 for what is not a function.
 */
export function nodeListener(handler: WebHandler): (request: IncomingMessage, response: ServerResponse) => void {
  if (typeof handler !== 'function') throw invalid('nodeListener: the handler must be a function');
  const plain = readArguments('nodeListener', () => (handler as Partial<PlainWebHandler>)[plainHandler]);
  return (request, response) => {
    if (request.method === 'TRACE') {
      response.setHeader('Allow', METHODS);
      answerError(response, 405, 'ERR_METHOD');
      return;
    }
    const answered = plain ? respondPlainly(plain, request, response) : respond(handler, request, response);
    answered.catch(() => {
      if (response.headersSent) response.destroy();
      else answerError(response, 500, 'ERR_INTERNAL');
    });
  };
}

async function respondPlainly(handler: PlainHandler, request: IncomingMessage, response: ServerResponse) {
  const { method = 'GET', url = '/' } = request;
  const { status, headers, body } = await handler({
    method,
    path: url.split('?', 1)[0] as string,
    body: (maxBytes, admits) => readBody(request, maxBytes, admits),
  });
  response.statusCode = status;
  for (const name in headers) response.setHeader(name, headers[name] as string);
  end(request, response, body);
}

async function respond(handler: WebHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = webRequest(request);
  if (asked === undefined) {
    answerError(response, 400, 'ERR_REQUEST_TARGET');
    return;
  }
  const answer = await handler(asked);
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value);
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) response.setHeader('Set-Cookie', cookies);
  end(request, response, Buffer.from(await answer.arrayBuffer()));
}

function end(request: IncomingMessage, response: ServerResponse, body: string | Buffer): void {
  if (!request.complete) response.setHeader('Connection', 'close');
  response.end(body);
  // What is left of a refused body is not read for long.
  if (!request.complete) response.once('finish', () => request.destroy());
}

function readBody(
  request: IncomingMessage,
  maxBytes: number,
  admits?: (bytes: number) => boolean,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= maxBytes && admits?.(chunk.length) !== false) chunks.push(chunk);
      else {
        request.off('data', take).pause();
        resolve(undefined);
      }
    };
    request.on('data', take);
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    request.once('error', reject);
    // After `end` it changes nothing.
    request.once('close', () => reject(new Error('the request was not sent to its end')));
  });
}

function answerError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: { code } }));
}

/** Undefined for a request line that there is no URL for. */
function webRequest(request: IncomingMessage): Request | undefined {
  const { method = 'GET', url = '/', rawHeaders } = request;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] as string, rawHeaders[at + 1] as string);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const isEncrypted = (request.socket as { encrypted?: boolean }).encrypted === true;
  // Host decides nothing: it is only needed to make a URL of the request target. That is no reference to be resolved:
  // `//evil/a` is a path, not the host evil.
  const href = `${isEncrypted ? 'https' : 'http'}://localhost${url.startsWith('/') ? url : '/'}`;
  if (!URL.canParse(href)) return undefined;
  const body = hasBody && { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: 'half' };
  return rememberTarget(new Request(href, Object.assign({ method, headers }, body) as RequestInit), url);
}
