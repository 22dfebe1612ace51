import { abortError } from '../base/abort.js';
import { messageOf } from '../base/errors.js';
import { BoundedBody, type HttpAnswer, HttpError, type Transport } from './transport.js';

/**
 * The caller's `fetch` as the transport, for a proxy or client certificates. It decides how it connects; timeouts,
 * abort, body limit and the refusal of redirects stay here. `connectTimeoutMs` cannot be seen from outside a `fetch`.
 */
export function fetchTransport(fetchFunction: typeof fetch): Transport {
  return async (request, limits, signal) => {
    if (signal?.aborted) throw abortError(signal);
    const ended = new AbortController();
    let end: (why: Error) => void = () => {};
    // A fetch that ignores its signal must not hold the exchange up, hence the race.
    const cut = new Promise<never>((_, reject) => {
      end = (why) => {
        ended.abort(why);
        reject(why);
      };
    });
    const timeout = new HttpError('timeout', `no complete answer within ${limits.timeoutMs} ms`);
    const timer = setTimeout(() => end(timeout), limits.timeoutMs);
    const onAbort = (): void => end(abortError(signal as AbortSignal));
    signal?.addEventListener('abort', onAbort, { once: true });

    const answer = async (): Promise<HttpAnswer> => {
      const response = await fetchFunction(request.url.href, {
        method: request.method,
        headers: { Accept: '*/*', ...request.headers },
        redirect: 'manual',
        signal: ended.signal,
        ...(request.body !== undefined && { body: request.body as NonNullable<RequestInit['body']> }),
      });
      const body = await boundedBody(response, limits.maxBodyBytes);
      return { status: response.status, headers: Object.fromEntries(response.headers), body };
    };
    try {
      return await Promise.race([answer(), cut]);
    } catch (error) {
      if (error instanceof HttpError) throw error;
      if (signal?.aborted) throw abortError(signal);
      // undici says only "fetch failed"; what happened is its cause.
      const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
      throw new HttpError('unreachable', `${messageOf(error)}${cause}`, error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  };
}

async function boundedBody(response: Response, limit: number): Promise<Uint8Array> {
  const body = new BoundedBody(limit);
  const reader = response.body?.getReader();
  if (reader === undefined) return body.bytes();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) body.add(part.value);
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
  return body.bytes();
}
