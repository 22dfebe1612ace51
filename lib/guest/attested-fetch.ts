import { isBytes } from '../base/bytes.js';
import { invalid, readArguments } from '../base/options.js';
import { destination, type ProofHeaders, type ProofRequest } from './prove-request.js';

/** Settings of a request that is sent with a token. The body must be one that can be sent twice. */
export interface AttestedFetchInit extends Omit<RequestInit, 'redirect' | 'body'> {
  body?: string | Uint8Array<ArrayBuffer> | URLSearchParams;
  /** The token, as `attest` returned it. */
  token: string;
  /** In place of the global one. */
  fetch?: typeof fetch;
}

const CHALLENGE_HEADER = /^Attestation challenge="([A-Za-z0-9_-]{76})", sealed="([A-Za-z0-9_-]{342})"$/;

/**
 * Sends a request with a token to a server that asks for proof of possession: the first request is answered with a
 * challenge, the second one carries the proof. Redirects are not followed, because a proof is for one origin.
 */
export async function attestedFetch(
  input: string | URL,
  init: AttestedFetchInit,
  prove: (request: ProofRequest, options: { signal?: AbortSignal }) => Promise<ProofHeaders>,
): Promise<Response> {
  if (typeof init !== 'object' || init === null) throw invalid('fetch: the second argument must have the token');
  const { token, fetch: fetchFunction = fetch, body, ...rest } = readArguments('fetch', () => ({ ...init }));
  if (typeof token !== 'string' || token === '') throw invalid('fetch: token must be given');
  const isRepeatable = body === undefined || typeof body === 'string' || isBytes(body);
  if (!isRepeatable && !(body instanceof URLSearchParams)) throw invalid('fetch: the body must be text or bytes');
  const url = destination(input);
  if (rest.method !== undefined && typeof rest.method !== 'string') throw invalid('fetch: method must be a string');
  const method = (rest.method ?? 'GET').toUpperCase();
  const given = readArguments('fetch: headers', () => new Headers(rest.headers));
  const send = (headers: Record<string, string>): Promise<Response> => {
    const all = new Headers(given);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const sent = body === undefined ? {} : { body };
    return fetchFunction(url, { ...rest, ...sent, method, headers: all, redirect: 'manual' });
  };
  const first = await send({ Authorization: `Bearer ${token}` });
  if (first.status !== 401) return first;
  const challenge = challengeOf(first.headers);
  if (challenge === undefined) return first;
  await first.body?.cancel();
  const headers = await prove({ token, url, method, ...challenge }, rest.signal ? { signal: rest.signal } : {});
  return send({ ...headers });
}

/** From the header, which also comes through a proxy that answers in the guard's place. */
function challengeOf(headers: Headers): Pick<ProofRequest, 'challenge' | 'sealed'> | undefined {
  const found = CHALLENGE_HEADER.exec(headers.get('www-authenticate') ?? '');
  return found === null ? undefined : { challenge: found[1] as string, sealed: found[2] as string };
}
