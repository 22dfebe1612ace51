import { abortError } from '../abort.js';

/**
 * Runs two tasks at the same time. When one fails, the other is aborted and waited for, so that nothing is under way any
 * more once the promise has settled.
 */
export async function together<A, B>(
  signal: AbortSignal | undefined,
  first: (signal: AbortSignal) => Promise<A>,
  second: (signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(abortError(signal as AbortSignal));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let failure: { error: unknown } | undefined;
  const guarded = async <T>(task: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> => {
    try {
      return await task(controller.signal);
    } catch (error) {
      failure ??= { error };
      controller.abort();
      return undefined;
    }
  };
  try {
    const results = await Promise.all([guarded(first), guarded(second)]);
    if (failure !== undefined) throw failure.error;
    return results as [A, B];
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
