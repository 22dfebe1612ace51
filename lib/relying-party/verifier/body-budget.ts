import type { PlainRequest } from '../server/exchange.js';
import { readText, ServiceRefusal } from './requests.js';

/**
 * Reads bodies, all of them together within a bound in bytes: what counts is what has come, not how many have begun. Requests
 * whose bodies do not come on cost nobody a verification.
 */
export class BodyBudget {
  readonly #maxBytes: number;
  readonly #maxTogether: number;
  #held = 0;

  /** @param maxBodies of the largest there may be */
  constructor(maxBytes: number, maxBodies: number) {
    this.#maxBytes = maxBytes;
    this.#maxTogether = maxBytes * maxBodies;
  }

  /** @throws {ServiceRefusal} 400, 413, and 503 for what does not fit beside the others. */
  async read(request: PlainRequest): Promise<string> {
    let own = 0;
    let isOver = false;
    try {
      return await readText(request, this.#maxBytes, (bytes) => {
        isOver = this.#held + bytes > this.#maxTogether;
        if (isOver) return false;
        this.#held += bytes;
        own += bytes;
        return true;
      });
    } catch (error) {
      throw isOver ? busy() : error;
    } finally {
      this.#held -= own;
    }
  }
}

export const busy = (): ServiceRefusal => new ServiceRefusal(503, 'ERR_BUSY', 'too much at the same time');
