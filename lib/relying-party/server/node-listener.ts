import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** A handler of web `Request`s, as `createKeyBroker`, `createVerifierService` and `forwardAuth` return. */
export type WebHandler = (request: Request) => Promise<Response>;

/**
 * A handler of web `Request`s as a listener of node:http and node:https. The handler bounds what it reads of a body; a body
 * that it does not read ends the connection.
 */
export function nodeListener(handler: WebHandler): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    respond(handler, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'Content-Type': 'application/json' }).end('{"error":{"code":"ERR_INTERNAL"}}');
    });
  };
}

async function respond(handler: WebHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await handler(webRequest(request));
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value);
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) response.setHeader('Set-Cookie', cookies);
  if (!request.complete) response.setHeader('Connection', 'close');
  const body = Buffer.from(await answer.arrayBuffer());
  response.end(body);
  // What is left of a refused body is not read for long.
  if (!request.complete) response.once('finish', () => request.destroy());
}

function webRequest(request: IncomingMessage): Request {
  const { method = 'GET', url = '/', rawHeaders } = request;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] as string, rawHeaders[at + 1] as string);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const isEncrypted = (request.socket as { encrypted?: boolean }).encrypted === true;
  // Host decides nothing: it is only needed to make a URL of the request target.
  return new Request(new URL(url.startsWith('/') ? url : '/', `${isEncrypted ? 'https' : 'http'}://localhost`), {
    method,
    headers,
    ...(hasBody && { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: 'half' }),
  } as RequestInit);
}
