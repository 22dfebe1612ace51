import type { Evidence } from '../../abi/evidence.js';
import { throwIfAborted } from '../../base/abort.js';
import { batchUserData, challengeDigest, MAX_BATCH } from './protocol.js';

/** Makes evidence whose quote is bound to `binding`, and whose report to `userData` when it is given. */
export type MakeEvidence = (request: {
  binding: Uint8Array;
  userData?: Uint8Array;
  /** Evidence of the same batch: its report is taken over, only the quote is new. */
  reuse?: Evidence;
  signal?: AbortSignal;
}) => Promise<Evidence>;

export interface QuoteLimits {
  /** Default 5: each quote is a signature of the one TPM that decrypts for everybody. */
  maxQuotesPerSecond?: number;
  /** Default 16. */
  maxWaiting?: number;
}

export interface QuoteRequest {
  binding: Uint8Array;
  challenge: Uint8Array;
  freshReport: boolean;
  signal?: AbortSignal;
}

export interface QuoteResult {
  evidence: Evidence;
  batch?: readonly Uint8Array[];
}

interface Waiting {
  request: QuoteRequest;
  resolve: (result: QuoteResult) => void;
  reject: (error: unknown) => void;
}

/** No quote is made: too many are waiting. */
export class TooManyQuotes extends Error {
  readonly retryAfterSeconds = 1;
}

/**
 * Challenges waiting for the TPM. One quote is with the TPM at a time, so that a decryption never waits for more than one;
 * no more than `maxQuotesPerSecond` are begun; what does not fit is refused before the TPM is asked.
 *
 * Requests that demand a fresh report share one: the paravisor makes one in two seconds. Each gets a quote of its own.
 */
export class QuoteQueue {
  readonly #make: MakeEvidence;
  readonly #intervalMs: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  #working = false;
  #next = 0;

  constructor(make: MakeEvidence, { maxQuotesPerSecond = 5, maxWaiting = 16 }: QuoteLimits) {
    this.#make = make;
    this.#intervalMs = 1000 / maxQuotesPerSecond;
    this.#maxWaiting = maxWaiting;
  }

  /** @throws {TooManyQuotes} at once, when `maxWaiting` are waiting already */
  quote(request: QuoteRequest): Promise<QuoteResult> {
    if (this.#waiting.length >= this.#maxWaiting)
      return Promise.reject(new TooManyQuotes('too many quotes are waiting'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      if (!this.#working) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const together = first.request.freshReport ? this.#takeFresh() : this.#waiting.splice(0, 1);
      const batch = first.request.freshReport
        ? together.map(({ request }) => challengeDigest(request.challenge))
        : undefined;
      const userData = batch && batchUserData(batch);
      let made: Evidence | undefined;
      for (const waiting of together) {
        await this.#untilAllowed();
        made = (await this.#serve(waiting, { userData, batch, reuse: made })) ?? made;
      }
    }
    this.#working = false;
  }

  /** Everyone who is waiting for a fresh report, up to a batch. The first of the queue is among them. */
  #takeFresh(): Waiting[] {
    const taken: Waiting[] = [];
    for (let at = 0; at < this.#waiting.length && taken.length < MAX_BATCH; ) {
      if (this.#waiting[at]?.request.freshReport === true) taken.push(...this.#waiting.splice(at, 1));
      else at++;
    }
    return taken;
  }

  async #serve(
    { request, resolve, reject }: Waiting,
    shared: { userData: Uint8Array | undefined; batch: readonly Uint8Array[] | undefined; reuse: Evidence | undefined },
  ): Promise<Evidence | undefined> {
    const { binding, signal } = request;
    const { userData, batch, reuse } = shared;
    try {
      throwIfAborted(signal);
      const evidence = await this.#make({
        binding,
        ...(userData && { userData }),
        ...(userData && reuse && { reuse }),
        ...(signal && { signal }),
      });
      resolve({ evidence, ...(batch && { batch }) });
      return evidence;
    } catch (error) {
      reject(error);
      return undefined;
    }
  }

  async #untilAllowed(): Promise<void> {
    const now = performance.now();
    const wait = this.#next - now;
    this.#next = Math.max(now, this.#next) + this.#intervalMs;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
