import { type ChallengeErrorCode, refuseChallenge } from '../refusals.js';
import { Deadlines, Waiting } from './deadlines.js';
import { storeFailure } from './replay-store.js';

/** A claim that waits for its answer. The first answer counts; others change nothing. */
export class WaitingClaim extends Waiting {
  readonly key: string;
  readonly ttlMs: number;
  readonly issuedAt: number | undefined;
  readonly #resolve: (won: boolean) => void;
  readonly #reject: (error: Error) => void;
  readonly #deadlines: Deadlines;
  isAnswered = false;
  /** What it is refused with when its deadline comes: what it waits for by then. */
  lateCode: ChallengeErrorCode = 'ERR_STORE_TIMEOUT';

  constructor(
    key: string,
    ttlMs: number,
    issuedAt: number | undefined,
    resolve: (won: boolean) => void,
    reject: (error: Error) => void,
    deadlines: Deadlines,
  ) {
    super();
    this.key = key;
    this.ttlMs = ttlMs;
    this.issuedAt = issuedAt;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#deadlines = deadlines;
    deadlines.start(this);
  }

  answer(won: boolean): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#deadlines.stop(this);
    this.#resolve(won);
  }

  refuse(error: Error): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#deadlines.stop(this);
    this.#reject(error);
  }

  /** Its deadlines have stopped already. */
  late(): void {
    this.isAnswered = true;
    this.#reject(refuseChallenge(this.lateCode));
  }
}

const MAXIMUM_BATCH = 128;
/** As queueMicrotask, which makes an object for async_hooks each time. */
const AFTER_THIS_TURN = Promise.resolve();
/** While the server is away, commands wait in the client: more than these are refused at once. */
const MAXIMUM_WAITING = 10_000;

/** Sends claims that were made in the same turn of the event loop together, and answers each within the deadline. */
export class ClaimBatches {
  readonly #deadlines: Deadlines;
  readonly #maxInProgress: number;
  readonly #send: (batch: readonly WaitingClaim[]) => Promise<void>;
  #collected: WaitingClaim[] = [];
  #scheduled = false;
  #inProgress = 0;
  #waiting = 0;

  constructor(deadlineMs: number, maxInProgress: number, send: (batch: readonly WaitingClaim[]) => Promise<void>) {
    this.#deadlines = new Deadlines(deadlineMs);
    this.#maxInProgress = maxInProgress;
    this.#send = send;
  }

  add(key: string, ttlMs: number, issuedAt: number | undefined): Promise<boolean> {
    if (this.#waiting >= MAXIMUM_WAITING) {
      return Promise.reject(refuseChallenge('ERR_STORE_UNAVAILABLE', 'too many claims are waiting'));
    }
    this.#waiting++;
    return new Promise((resolve, reject) => {
      this.#collected.push(new WaitingClaim(key, ttlMs, issuedAt, resolve, reject, this.#deadlines));
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#collected.length === 0) return;
    this.#scheduled = true;
    void AFTER_THIS_TURN.then(this.#flushAll);
  }

  readonly #flushAll = (): void => {
    this.#scheduled = false;
    while (this.#collected.length > 0 && this.#inProgress < this.#maxInProgress) {
      const isAll = this.#collected.length <= MAXIMUM_BATCH;
      void this.#flush(isAll ? this.#collected : this.#collected.slice(0, MAXIMUM_BATCH));
      this.#collected = isAll ? [] : this.#collected.slice(MAXIMUM_BATCH);
    }
  };

  async #flush(batch: readonly WaitingClaim[]): Promise<void> {
    this.#inProgress++;
    let failure: Error | undefined;
    try {
      await this.#send(batch);
    } catch (error) {
      failure = storeFailure(error);
    }
    for (const claim of batch) {
      if (!claim.isAnswered) claim.refuse(failure ?? storeFailure(new Error('a claim was not answered')));
    }
    this.#inProgress--;
    this.#waiting -= batch.length;
    this.#schedule();
  }
}
