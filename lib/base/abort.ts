/**
 * What a call rejects with when its signal aborted: always named `AbortError`, the signal's reason as its cause (or the
 * reason itself when it is an `AbortError` already, as `AbortController.abort()` makes it).
 */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === 'AbortError') return reason;
  const error = new Error('the operation was aborted', { cause: reason });
  error.name = 'AbortError';
  return error;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waitingFor = /* @__PURE__ */ new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `callback` when the signal aborts, at once when it has already. With one listener for each signal however many calls
 * share it: hundreds of listeners would make Node warn of a leak. This is the only place that listens.
 *
 * @returns takes the callback out again
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    callback();
    return () => {};
  }
  let waiting = waitingFor.get(signal);
  if (waiting === undefined) {
    const callbacks = new Set<() => void>();
    const listener = (): void => {
      for (const each of [...callbacks]) each();
    };
    waiting = { callbacks, listener };
    waitingFor.set(signal, waiting);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { callbacks, listener } = waiting;
  // One of its own, so that the same function may wait twice.
  const entry = (): void => callback();
  callbacks.add(entry);
  return () => {
    callbacks.delete(entry);
    if (callbacks.size > 0) return;
    signal.removeEventListener('abort', listener);
    waitingFor.delete(signal);
  };
}

/** Waits, unless the signal aborts first. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      ignore();
      resolve();
    }, milliseconds);
    const ignore = onAbort(signal, () => {
      clearTimeout(timer);
      reject(abortError(signal as AbortSignal));
    });
  });
}

/** Settles as `work` does, or rejects as soon as the signal aborts; what `work` does then is nobody's concern. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const ignore = onAbort(signal, () => reject(abortError(signal)));
    work.then(resolve, reject).finally(ignore);
  });
}

/** Settles as `work` does, or rejects when it has not after so long; what `work` does then is nobody's concern. */
export async function answerWithin<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const settled = new AbortController();
  const late = delay(milliseconds, settled.signal).then(() => {
    throw new Error(`no answer within ${milliseconds} ms`);
  });
  // Aborted once the other has won.
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    settled.abort();
  }
}

/**
 * Runs work with a signal that aborts, for the same reason, as soon as one of `signals` does. Unlike `AbortSignal.any`,
 * nothing of it stays attached to signals that outlive the work.
 */
export async function withSignals<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const ignore = signals.map((signal) => onAbort(signal, () => controller.abort(signal.reason)));
  try {
    return await work(controller.signal);
  } finally {
    for (const each of ignore) each();
  }
}
