import { refuseChallenge } from '../refusals.js';
import { storeFailure, withinDeadline } from './replay-store.js';

/** A claim that waits for its answer; answering it twice changes nothing. */
export interface WaitingClaim {
  readonly key: string;
  readonly ttlMs: number;
  readonly issuedAt: number | undefined;
  readonly resolve: (won: boolean) => void;
  readonly reject: (error: Error) => void;
}

const MAXIMUM_BATCH = 128;
/** While the server is away, commands wait in the client: more than these are refused at once. */
const MAXIMUM_WAITING = 10_000;

/** Sends claims that were made in the same turn of the event loop together, and answers each within the deadline. */
export class ClaimBatches {
  readonly #deadlineMs: number;
  readonly #maxInProgress: number;
  readonly #send: (batch: readonly WaitingClaim[]) => Promise<void>;
  #collected: WaitingClaim[] = [];
  #scheduled = false;
  #inProgress = 0;
  #waiting = 0;

  constructor(deadlineMs: number, maxInProgress: number, send: (batch: readonly WaitingClaim[]) => Promise<void>) {
    this.#deadlineMs = deadlineMs;
    this.#maxInProgress = maxInProgress;
    this.#send = send;
  }

  add(key: string, ttlMs: number, issuedAt: number | undefined): Promise<boolean> {
    if (this.#waiting >= MAXIMUM_WAITING) {
      return Promise.reject(refuseChallenge('ERR_STORE_UNAVAILABLE', 'too many claims are waiting'));
    }
    this.#waiting++;
    const answer = new Promise<boolean>((resolve, reject) => {
      this.#collected.push({ key, ttlMs, issuedAt, resolve, reject });
    });
    this.#schedule();
    return withinDeadline(this.#deadlineMs, answer);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#collected.length > 0 && this.#inProgress < this.#maxInProgress) {
        void this.#flush(this.#collected.splice(0, MAXIMUM_BATCH));
      }
    });
  }

  async #flush(batch: readonly WaitingClaim[]): Promise<void> {
    this.#inProgress++;
    try {
      await this.#send(batch);
      for (const claim of batch) claim.reject(refuseChallenge('ERR_STORE_UNAVAILABLE', 'a claim was not answered'));
    } catch (error) {
      const failure = storeFailure(error);
      for (const claim of batch) claim.reject(failure);
    } finally {
      this.#inProgress--;
      this.#waiting -= batch.length;
      this.#schedule();
    }
  }
}
