import type { TLSSocket } from 'node:tls';
import { invalid, readArguments } from '../../base/options.js';
import { type ConnectAttestedOptions, Connector } from './connect-attested.js';
import { channelError } from './errors.js';

/** The caller's own copy of undici, whatever its version. */
export interface UndiciLike {
  Agent: new (...parameters: never[]) => object;
  fetch: (...parameters: never[]) => Promise<RedirectingAnswer>;
}

/** As much of it as is used here. */
interface UsedUndici {
  Agent: new (options: {
    connect: (options: { hostname: string; port: string; protocol: string }, callback: ConnectCallback) => void;
    allowH2: boolean;
    pipelining: number;
  }) => object;
  fetch: (input: URL, init: RequestInitLike) => Promise<RedirectingAnswer>;
}

type ConnectCallback = (error: Error | null, socket: TLSSocket | null) => void;

export interface RedirectingAnswer {
  status: number;
  headers: { get(name: string): string | null };
  body?: { cancel(): Promise<void> } | null;
}

interface RequestInitLike {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | null;
  redirect?: string;
  dispatcher?: unknown;
}

/** What a connection demands, without where it goes: undici says that for each. */
export type AttestedDispatcherOptions = Omit<
  ConnectAttestedOptions,
  'host' | 'port' | 'bare' | 'signal' | 'servername'
>;

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * A dispatcher of the caller's undici whose every connection is attested before a request is written to it, and a `fetch`
 * that uses it and follows redirects to the same origin only.
 *
 * Connections are closed when their verification has grown older than `maxAge`; the next request opens another.
 *
 * @throws {AttestationError} 8 for wrong options
 */
export function attestedDispatcher<Undici extends UndiciLike>(
  undici: Undici,
  options: AttestedDispatcherOptions,
): { dispatcher: InstanceType<Undici['Agent']>; fetch: Undici['fetch'] } {
  const isUndici = readArguments(
    'attestedDispatcher',
    () => typeof undici?.Agent === 'function' && typeof undici.fetch === 'function',
  );
  if (!isUndici) {
    throw invalid('the first argument is the module undici');
  }
  // Wrong options are an error now, not at the first request.
  new Connector({ ...options, host: 'localhost' });
  const used = undici as unknown as UsedUndici;
  const dispatcher = new used.Agent({
    allowH2: false,
    pipelining: 1,
    connect: ({ hostname, port, protocol }, callback) => {
      if (protocol !== 'https:') {
        callback(channelError('ERR_CHANNEL_TLS', 'the address does not begin with https'), null);
        return;
      }
      const host = hostname.replace(/^\[|\]$/g, '');
      const where = { ...options, host, port: port === '' ? 443 : Number(port) };
      new Connector(where).connect().then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
      );
    },
  });
  const attestedFetch = (input: string | URL, init?: RequestInitLike): Promise<RedirectingAnswer> =>
    sameOriginFetch(used, dispatcher, new URL(input), init);
  return {
    dispatcher: dispatcher as InstanceType<Undici['Agent']>,
    fetch: attestedFetch as unknown as Undici['fetch'],
  };
}

async function sameOriginFetch(
  undici: UsedUndici,
  dispatcher: object,
  address: URL,
  init: RequestInitLike = {},
): Promise<RedirectingAnswer> {
  if (init.dispatcher !== undefined) throw invalid('this fetch brings its own dispatcher');
  let url = address;
  let request = init;
  for (let redirects = 0; ; redirects++) {
    const answer = await undici.fetch(url, { ...request, dispatcher, redirect: 'manual' });
    const location = answer.headers.get('location');
    if (!REDIRECTS.includes(answer.status) || location === null || init.redirect === 'manual') return answer;
    await answer.body?.cancel();
    if (init.redirect === 'error') throw channelError('ERR_CHANNEL_REDIRECT', 'redirects were forbidden');
    const next = new URL(location, url);
    if (next.origin !== url.origin) throw channelError('ERR_CHANNEL_REDIRECT', next.origin);
    if (redirects >= MAX_REDIRECTS) throw channelError('ERR_CHANNEL_REDIRECT', 'too many');
    request = redirected(request, answer.status);
    url = next;
  }
}

/** Fetch standard, HTTP-redirect fetch: 303, and 301 or 302 of a POST, become a GET; a stream cannot be sent twice. */
function redirected(init: RequestInitLike, status: number): RequestInitLike {
  const method = (init.method ?? 'GET').toUpperCase();
  const becomesGet = status === 303 ? method !== 'HEAD' : status <= 302 && method === 'POST';
  if (becomesGet) {
    const { body: _, ...rest } = init;
    return { ...rest, method: 'GET' };
  }
  if (
    init.body !== undefined &&
    init.body !== null &&
    typeof init.body !== 'string' &&
    !ArrayBuffer.isView(init.body)
  ) {
    throw channelError('ERR_CHANNEL_REDIRECT', 'the body cannot be sent twice');
  }
  return init;
}
