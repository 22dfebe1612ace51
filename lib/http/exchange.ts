import { readableText } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type HttpSettings, isRepeated, sendWithRetry } from './retry.js';
import { type HttpAnswer, HttpError, type HttpRequest } from './transport.js';

/** How the failures of one exchange are told. */
export interface Peer {
  /** Who was asked, for messages: `the attestation service`. */
  name: string;
  /** Code for an answer that is too long or compressed. */
  unreadable: ErrorCode;
  /** Code for a 400, where that means a refusal and not a failed request. */
  refusal?: ErrorCode;
}

/** Words of the peer in a message; `responseBody` has more of them. */
const MAX_QUOTED = 300;

/**
 * One exchange with its repetitions, down to the body of a 200.
 *
 * @throws AttestationError 7 when there was no answer (name, connection, TLS, time); 4 when the last answer still was
 * one to repeat after; `peer.refusal` for a 400; 5 for any other status, redirects included; `peer.unreadable`.
 */
export async function exchange(
  settings: HttpSettings,
  request: HttpRequest,
  peer: Peer,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return (await exchangeAnswer(settings, request, peer, signal)).body;
}

/** {@link exchange} for a peer that says something in the headers of its 200 as well. */
export async function exchangeAnswer(
  settings: HttpSettings,
  request: HttpRequest,
  peer: Peer,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  let answer: HttpAnswer;
  try {
    answer = await sendWithRetry(settings, request, signal);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const code = error.reason === 'unreadable' ? peer.unreadable : ErrorCode.SENDING_CURL_REQUEST_FAILED;
    throw new AttestationError(code, `${peer.name} at ${request.url.host}: ${error.message}`, { cause: error });
  }
  const { status, body } = answer;
  if (status === 200) return answer;
  const responseBody = readableText(body);
  const words = quotable(responseBody);
  const said = words === '' ? `${peer.name} answered ${status}` : `${peer.name} answered ${status}: ${words}`;
  throw new AttestationError(codeOf(status, isRepeated(settings, request, status), peer), said, {
    status,
    responseBody,
  });
}

function codeOf(status: number, repeated: boolean, peer: Peer): ErrorCode {
  if (repeated) return ErrorCode.HTTP_REQUEST_EXCEEDED_RETRIES;
  if (status === 400 && peer.refusal !== undefined) return peer.refusal;
  return ErrorCode.HTTP_REQUEST_FAILED;
}

/** The `error.message` of a CloudError, or the body itself, as one short line without control characters. */
function quotable(body: string): string {
  let words = body;
  try {
    const message: unknown = JSON.parse(body)?.error?.message;
    if (typeof message === 'string') words = message;
  } catch {
    // Not JSON: quoted as it is.
  }
  const line = words.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED)}…` : line;
}
