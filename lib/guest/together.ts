import { setMaxListeners } from 'node:events';
import { abortError, onAbort } from '../base/abort.js';

type Tasks = readonly ((signal: AbortSignal) => Promise<unknown>)[];
type Results<T extends Tasks> = { -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> };

/**
 * Runs tasks at the same time. When one fails, the others are aborted and waited for, so that nothing is in progress any
 * more once the promise has settled; it rejects with what failed first.
 */
export async function together<const T extends Tasks>(
  signal: AbortSignal | undefined,
  ...tasks: T
): Promise<Results<T>> {
  const controller = new AbortController();
  // Every wait of every task listens to this signal.
  setMaxListeners(0, controller.signal);
  const ignore = onAbort(signal, () => controller.abort(abortError(signal as AbortSignal)));
  let failure: { error: unknown } | undefined;
  const guarded = async (task: Tasks[number]): Promise<unknown> => {
    try {
      return await task(controller.signal);
    } catch (error) {
      failure ??= { error };
      controller.abort();
      return undefined;
    }
  };
  try {
    const results = await Promise.all(tasks.map(guarded));
    if (failure !== undefined) throw failure.error;
    return results as Results<T>;
  } finally {
    ignore();
  }
}
