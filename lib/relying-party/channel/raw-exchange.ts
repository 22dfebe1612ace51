import type { TLSSocket } from 'node:tls';
import { channelError } from './errors.js';
import { MAX_MESSAGE_BYTES } from './protocol.js';

/** One exchange of the channel's protocol over whatever carries it. */
export type PostMessage = (path: string, body: string, signal: AbortSignal) => Promise<PostAnswer>;

export interface PostAnswer {
  status: number;
  body: Uint8Array;
  /** Seconds, when a busy peer names them. */
  retryAfter?: number;
}

/** A message as it stood on the socket. */
export interface RawMessage {
  /** Request line or status line. */
  start: string;
  body: Uint8Array;
  retryAfter?: number;
}

const MAX_HEAD_BYTES = 16 * 1024;
const END_OF_HEAD = Buffer.from('\r\n\r\n', 'latin1');
const STATUS_LINE = /^HTTP\/1\.1 (\d{3})(?: |$)/;
const DECIMAL = /^\d{1,9}$/;

/**
 * HTTP/1.1 over a bare TLS socket, as little of it as the protocol has: one POST, one answer with a Content-Length. The
 * socket is left as it was found, paused and without listeners.
 */
export function rawPost(socket: TLSSocket, host: string): PostMessage {
  return async (path, body, signal) => {
    const bytes = Buffer.from(body, 'utf8');
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    );
    socket.write(bytes);
    const { start, body: answer, retryAfter } = await readRawMessage(socket, signal);
    const status = STATUS_LINE.exec(start)?.[1];
    if (status === undefined) throw channelError('ERR_CHANNEL_MESSAGE', 'not an HTTP/1.1 answer');
    // Nothing was asked that this could answer: it would be taken for the answer to the first request of the application.
    if (socket.readableLength > 0) throw channelError('ERR_CHANNEL_EXTRA_BYTES');
    return { status: Number(status), body: answer, ...(retryAfter !== undefined && { retryAfter }) };
  };
}

/**
 * Reads exactly one message off a socket; what follows stays in the socket's buffer.
 *
 * @throws {VerificationError} `ERR_CHANNEL_MESSAGE` for anything but a head of at most 16 KiB and a body of the announced
 * length, at most 2 MiB; `ERR_CHANNEL_DEADLINE` when the signal aborts first
 */
export async function readRawMessage(socket: TLSSocket, signal: AbortSignal): Promise<RawMessage> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const end = bytes.indexOf(END_OF_HEAD);
    if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES)) throw malformed('the head is too long');
    if (end >= 0) {
      const head = parseHead(bytes.subarray(0, end).toString('latin1'));
      const begin = end + END_OF_HEAD.length;
      bytes = bytes.subarray(begin);
      const parts = [bytes];
      let size = bytes.length;
      while (size < head.length) {
        const part = await nextBytes(socket, signal);
        parts.push(part);
        size += part.length;
      }
      const all = Buffer.concat(parts);
      if (all.length > head.length) socket.unshift(all.subarray(head.length));
      const { start, retryAfter } = head;
      return { start, body: all.subarray(0, head.length), ...(retryAfter !== undefined && { retryAfter }) };
    }
    bytes = Buffer.concat([bytes, await nextBytes(socket, signal)]);
  }
}

function parseHead(head: string): { start: string; length: number; retryAfter?: number } {
  const [start = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 1 || /[\s]/.test(name)) throw malformed('a header is malformed');
    if (name === 'transfer-encoding') throw malformed('a length must be announced');
    if (name === 'content-length' && headers.has(name)) throw malformed('two lengths');
    headers.set(name, line.slice(colon + 1).trim());
  }
  const length = headers.get('content-length') ?? '0';
  if (!DECIMAL.test(length) || Number(length) > MAX_MESSAGE_BYTES) throw malformed('the body is too long');
  const retryAfter = headers.get('retry-after');
  return {
    start,
    length: Number(length),
    ...(retryAfter !== undefined && DECIMAL.test(retryAfter) && { retryAfter: Number(retryAfter) }),
  };
}

/** The next bytes that the socket has, at least one. */
function nextBytes(socket: TLSSocket, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) settle(() => resolve(bytes));
    };
    const onEnd = (): void => settle(() => reject(malformed('the connection ended')));
    const onError = (error: Error): void => settle(() => reject(error));
    const onAbort = (): void => settle(() => reject(channelError('ERR_CHANNEL_DEADLINE')));
    if (signal.aborted) return onAbort();
    if (socket.destroyed) return onEnd();
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    onReadable();
  });
}

const malformed = (what: string) => channelError('ERR_CHANNEL_MESSAGE', what);
