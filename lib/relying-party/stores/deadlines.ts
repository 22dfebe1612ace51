import { refuseChallenge } from '../refusals.js';

/** Something that is waited for: a link of the list of its {@link Deadlines}. */
export abstract class Waiting {
  /** By the monotonic clock. */
  end = 0;
  previous: Waiting | undefined;
  next: Waiting | undefined;

  /** Its time is over. */
  abstract late(): void;
}

/**
 * Bounds what a store is asked, each time by the same number of milliseconds. One timer serves all that is waited for, and they
 * hold each other: timers of their own, or a Map that grows and shrinks with each, would cost as much as a claim.
 */
export class Deadlines {
  readonly #deadlineMs: number;
  /** In the order of their ends. */
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  start(waiting: Waiting): void {
    waiting.end = performance.now() + this.#deadlineMs;
    waiting.previous = this.#last;
    if (this.#last !== undefined) this.#last.next = waiting;
    this.#last = waiting;
    if (this.#first !== undefined) return;
    this.#first = waiting;
    if (this.#timer === undefined) this.#arm(this.#deadlineMs);
    else this.#timer.ref();
  }

  /** Once for each that was started and was not late. */
  stop(waiting: Waiting): void {
    const { previous, next } = waiting;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    waiting.previous = undefined;
    waiting.next = undefined;
    // The timer stays for the next one, without holding up the end of the process.
    if (this.#first === undefined) this.#timer?.unref();
  }

  /** Settles as `work` does, or rejects with `ERR_STORE_TIMEOUT`. What `work` does later changes nothing. */
  bound<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = new Bounded(reject);
      this.start(waiting);
      const settle = <Value>(how: (value: Value) => void) => {
        return (value: Value): void => {
          if (!waiting.isLate) this.stop(waiting);
          how(value);
        };
      };
      // Somebody else's store may answer with what is not a promise.
      Promise.resolve(work).then(settle(resolve), settle(reject));
    });
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#end(), Math.ceil(delayMs));
  }

  #end(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let waiting = this.#first; waiting !== undefined; waiting = this.#first) {
      if (waiting.end > now) {
        this.#arm(waiting.end - now);
        return;
      }
      this.stop(waiting);
      waiting.late();
    }
  }
}

class Bounded extends Waiting {
  isLate = false;
  readonly #reject: (error: Error) => void;

  constructor(reject: (error: Error) => void) {
    super();
    this.#reject = reject;
  }

  late(): void {
    this.isLate = true;
    this.#reject(refuseChallenge('ERR_STORE_TIMEOUT'));
  }
}
