interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `callback` when the signal aborts, with one listener for each signal however many calls share it: hundreds of
 * listeners would make Node warn of a leak.
 *
 * @returns takes the callback out again
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
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
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0) return;
    signal.removeEventListener('abort', listener);
    waitingFor.delete(signal);
  };
}
