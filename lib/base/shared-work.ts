import { untilAborted } from './abort.js';

interface Running<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Work that is done once for all who wait for it, each with a signal of its own. It is aborted when nobody waits any more;
 * who comes after that, or after its end, starts it again.
 */
export class SharedWork<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>;
  #running: Running<T> | undefined;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Rejects with an `AbortError` as soon as the caller's own signal aborts. */
  async result(signal: AbortSignal | undefined): Promise<T> {
    const running = this.#running ?? this.#start();
    running.waiting++;
    try {
      return await untilAborted(running.result, signal);
    } finally {
      running.waiting--;
      if (running.waiting === 0) {
        this.#forget(running);
        running.controller.abort();
      }
    }
  }

  #start(): Running<T> {
    const controller = new AbortController();
    const running: Running<T> = { result: this.#work(controller.signal), controller, waiting: 0 };
    this.#running = running;
    const settled = (): void => this.#forget(running);
    // Also handles a failure that nobody waits for any more.
    running.result.then(settled, settled);
    return running;
  }

  #forget(running: Running<T>): void {
    if (this.#running === running) this.#running = undefined;
  }
}
