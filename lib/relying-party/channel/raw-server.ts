import type { TLSSocket } from 'node:tls';
import { channelError } from './errors.js';
import type { GateRules } from './gate.js';
import { CHANNEL_PATH, CLIENT_PATH } from './protocol.js';
import { readRawMessage } from './raw-exchange.js';
import { type ChannelAnswer, ServerConnection } from './server-connection.js';

const DEADLINE_MS = 30_000;
const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 204: 'No Content', 503: 'Service Unavailable' };

/** The protocol on a socket that speaks no HTTP afterwards: one question, in mutual mode one answer, then the application. */
export async function serveRaw(
  socket: TLSSocket,
  rules: GateRules,
  listener: (socket: TLSSocket) => void,
): Promise<void> {
  socket.on('error', rules.onRefusal);
  try {
    const connection = new ServerConnection(socket, rules);
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    await exchange(connection, CHANNEL_PATH);
    if (!connection.admitted) await exchange(connection, CLIENT_PATH);
    if (!connection.admitted) throw channelError('ERR_CHANNEL_NOT_ATTESTED');
    socket.off('error', rules.onRefusal);
    listener(socket);

    async function exchange(to: ServerConnection, path: string): Promise<void> {
      const { start, body } = await readRawMessage(socket, deadline);
      if (start !== `POST ${path} HTTP/1.1`) throw channelError('ERR_CHANNEL_MESSAGE', 'not the question that was due');
      const { mayAsk } = rules;
      const answer = await to.answer('POST', path, body, async () =>
        mayAsk === undefined ? true : (await mayAsk({ headers: {}, socket })) === true,
      );
      send(socket, answer);
      if (answer.status >= 300) throw channelError('ERR_CHANNEL_REFUSED');
    }
  } catch (error) {
    rules.onRefusal(error);
    socket.destroySoon();
  }
}

function send(socket: TLSSocket, { status, body = '', retryAfter }: ChannelAnswer): void {
  const retry = retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`;
  const reason = REASONS[status] ?? 'Refused';
  socket.write(`HTTP/1.1 ${status} ${reason}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${retry}\r\n${body}`);
}
