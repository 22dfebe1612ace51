import type { Product } from '../../abi/tcb.js';
import { answerWithin } from '../../base/abort.js';
import { messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { text } from '../../base/option-kinds.js';
import type { ChainSource } from './options.js';
import { BrokerRefusal } from './protocol.js';

/** After this a chain is fetched again. */
const KEPT_MS = 3_600_000;

/**
 * AMD's chains as a broker has them in its memory, one for each product: those that evidence was verified with, so that
 * forged evidence starts no request of which genuine evidence has not made the next one needless.
 */
export class ProductChains {
  readonly #source: ChainSource;
  readonly #deadlineMs: number;
  readonly #logger: Logger;
  readonly #kept = new Map<Product, { chain: string; at: number }>();
  readonly #pending = new Map<Product, Promise<string>>();

  constructor(source: ChainSource, deadlineMs: number, logger: Logger) {
    this.#source = source;
    this.#deadlineMs = deadlineMs;
    this.#logger = logger;
  }

  /** The certificates of all that are kept, PEM. */
  get kept(): string {
    const now = Date.now();
    const current = [...this.#kept.values()].filter(({ at }) => at <= now && now < at + KEPT_MS);
    return current.map(({ chain }) => chain).join('\n');
  }

  keep(product: Product, chain: string): void {
    this.#kept.set(product, { chain, at: Date.now() });
  }

  /**
   * Who asks while a fetch is in progress waits for the same answer.
   *
   * @throws {BrokerRefusal} 503 when it cannot be had in time, or for now.
   */
  async fetched(product: Product): Promise<string> {
    try {
      return await answerWithin(this.#deadlineMs, this.#asked(product));
    } catch (error) {
      // What never answers must not keep the next one from asking.
      this.#pending.delete(product);
      this.#logger.warn(`the chain of ${product} cannot be had: ${messageOf(error)}`);
      throw new BrokerRefusal(503, 'Unavailable', 'try again', 'ERR_KBS_CHAIN');
    }
  }

  #asked(product: Product): Promise<string> {
    const pending = this.#pending.get(product);
    if (pending !== undefined) return pending;
    const answer = (async () => text.check(await this.#source.chain(product), 'the answer of chain'))();
    this.#pending.set(product, answer);
    const settled = (): void => {
      if (this.#pending.get(product) === answer) this.#pending.delete(product);
    };
    answer.then(settled, settled);
    return answer;
  }
}
