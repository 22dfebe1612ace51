import { refuseChallenge } from '../refusals.js';

/** Something that is waited for. */
export interface Waiting {
  /** Its time is over. */
  late(): void;
}

/**
 * Bounds what a store is asked, each time by the same number of milliseconds. One timer serves all that is waited for: a timer
 * of its own for each would cost as much as a claim.
 */
export class Deadlines {
  readonly #deadlineMs: number;
  /** In the order of their ends, by the monotonic clock. */
  readonly #ends = new Map<Waiting, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  start(waiting: Waiting): void {
    this.#ends.set(waiting, performance.now() + this.#deadlineMs);
    if (this.#timer === undefined) this.#arm(this.#deadlineMs);
    else if (this.#ends.size === 1) this.#timer.ref();
  }

  stop(waiting: Waiting): void {
    // The timer stays for the next one, without holding up the end of the process.
    if (this.#ends.delete(waiting) && this.#ends.size === 0) this.#timer?.unref();
  }

  /** Settles as `work` does, or rejects with `ERR_STORE_TIMEOUT`. What `work` does later changes nothing. */
  bound<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { late: () => reject(refuseChallenge('ERR_STORE_TIMEOUT')) };
      this.start(waiting);
      work.then(
        (value) => {
          this.stop(waiting);
          resolve(value);
        },
        (error) => {
          this.stop(waiting);
          reject(error);
        },
      );
    });
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#end(), Math.ceil(delayMs));
  }

  #end(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [waiting, end] of this.#ends) {
      if (end > now) {
        this.#arm(end - now);
        return;
      }
      this.#ends.delete(waiting);
      waiting.late();
    }
  }
}
