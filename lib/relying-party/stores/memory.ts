import { flag, integer } from '../../base/option-kinds.js';
import { checkOptions } from '../../base/options.js';
import { refuseChallenge } from '../refusals.js';
import {
  answersWithin,
  checkClaim,
  DEFAULT_TOLERANCE_MS,
  type ReplayStore,
  type TolerantStore,
  useTolerance,
} from './replay-store.js';

export interface MemoryReplayStoreOptions {
  /** Entries beyond this are refused with `ERR_STORE_FULL`, never forgotten early. Default 1,000,000 (about 150 MB). */
  maxEntries?: number;
  /**
   * Refuses with `ERR_STORE_RESTARTED` what was issued before this process started, because its claim may be among what
   * was forgotten. Set it where the secret outlives the process; without it a challenge that was used shortly before a restart
   * can be used again after it. Default false.
   */
  fence?: boolean;
}

const SWEEP_STEP = 8;

/**
 * Remembers in this process: for a relying party that is a single process. It forgets when the process ends: give the
 * challenges a secret of that process, or set `fence`.
 *
 * @throws {AttestationError} 8 for options out of range.
 */
export function memoryReplayStore(options: MemoryReplayStoreOptions = {}): ReplayStore {
  const { maxEntries = 1_000_000, fence = false } = checkOptions<MemoryReplayStoreOptions>(
    'memoryReplayStore',
    options,
    {
      maxEntries: integer(1, 16_000_000),
      fence: flag,
    },
  );
  const store: TolerantStore = new MemoryReplayStore(
    maxEntries,
    fence ? Math.floor(performance.timeOrigin) : Number.NEGATIVE_INFINITY,
  );
  return store;
}

class MemoryReplayStore implements TolerantStore {
  readonly [answersWithin] = 0;
  /** When each entry ends, by the monotonic clock. In the order of their claims. */
  readonly #ends = new Map<string, number>();
  readonly #maxEntries: number;
  /** Milliseconds since the epoch. */
  readonly #remembersFrom: number;
  #toleranceMs = DEFAULT_TOLERANCE_MS;
  #toldTolerance = false;

  constructor(maxEntries: number, remembersFrom: number) {
    this.#maxEntries = maxEntries;
    this.#remembersFrom = remembersFrom;
  }

  [useTolerance](clockToleranceMs: number): void {
    // One process has one clock: the smallest tolerance comes nearest to when a challenge was really issued.
    this.#toleranceMs = this.#toldTolerance ? Math.min(this.#toleranceMs, clockToleranceMs) : clockToleranceMs;
    this.#toldTolerance = true;
  }

  async claim(key: string, ttlMs: number, issuedAt?: number): Promise<boolean> {
    checkClaim(key, ttlMs, issuedAt);
    if (issuedAt !== undefined && issuedAt + this.#toleranceMs < this.#remembersFrom) {
      throw refuseChallenge('ERR_STORE_RESTARTED');
    }
    const now = performance.now();
    this.#sweep(now, SWEEP_STEP);
    const end = this.#ends.get(key);
    if (end !== undefined && end > now) return false;
    if (end === undefined && this.#ends.size >= this.#maxEntries) {
      this.#sweep(now, this.#ends.size);
      if (this.#ends.size >= this.#maxEntries) throw refuseChallenge('ERR_STORE_FULL');
    }
    this.#ends.delete(key);
    this.#ends.set(key, now + ttlMs);
    return true;
  }

  /** Forgets up to `limit` of the oldest entries that have ended. */
  #sweep(now: number, limit: number): void {
    let looked = 0;
    for (const [key, end] of this.#ends) {
      if (++looked > limit) return;
      if (end <= now) this.#ends.delete(key);
      else if (limit === SWEEP_STEP) return;
    }
  }
}
