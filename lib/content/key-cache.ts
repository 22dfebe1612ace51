import { type NativeContentKey, native } from '../native.js';
import { invalid } from './errors.js';

export interface KeyCacheOptions {
  /** Most keys that are kept; the one used longest ago goes first. Default 64. */
  maxKeys?: number;
  /** How long a key is kept after it was unwrapped, used or not, in milliseconds. Default 60 000. */
  maxAgeMs?: number;
}

interface Entry {
  key: NativeContentKey;
  expires: number;
}

/**
 * Unwrapped content keys in locked native memory, so that a second message under the same wrapped key needs no TPM.
 *
 * A cached key outlives a change of the PCRs or a reset of the TPM, after which the TPM itself would no longer unwrap
 * it: for at most `maxAgeMs`, or until `clear()`. Entries are found by the wrapped key, which is no secret, and `epoch`, which
 * the caller changes when it knows that the TPM's key changed.
 */
export class KeyCache {
  readonly #entries = new Map<string, Entry>();
  readonly #maxKeys: number;
  readonly #maxAgeMs: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** Identifies the TPM's key while it stays the same, for instance by its thumbprint. */
  epoch = '';

  constructor({ maxKeys = 64, maxAgeMs = 60_000 }: KeyCacheOptions = {}) {
    if (!Number.isSafeInteger(maxKeys) || maxKeys < 1 || maxKeys > 65_536) {
      throw invalid('maxKeys must be an integer from 1 to 65536');
    }
    if (!Number.isSafeInteger(maxAgeMs) || maxAgeMs < 1 || maxAgeMs > 86_400_000) {
      throw invalid('maxAgeMs must be an integer from 1 to 86400000');
    }
    this.#maxKeys = maxKeys;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Number of keys held. */
  get size(): number {
    return this.#entries.size;
  }

  /** A copy of the key, which the caller destroys; undefined when it is not held or too old. */
  get(encryptedKey: Uint8Array): NativeContentKey | undefined {
    const id = this.#id(encryptedKey);
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.expires <= Date.now()) return undefined;
    // Least recently used first.
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return new (native().ContentKey)(entry.key);
  }

  /** Keeps a copy of the key. */
  put(encryptedKey: Uint8Array, key: NativeContentKey): void {
    const id = this.#id(encryptedKey);
    if (this.#closed || this.#entries.has(id)) return;
    this.#entries.set(id, { key: new (native().ContentKey)(key), expires: Date.now() + this.#maxAgeMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxKeys) break;
      this.#drop(oldest);
    }
    this.#schedule();
  }

  /** Zeroes every key. */
  clear(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Zeroes every key and keeps none from now on, not even those of calls in progress. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  #id(encryptedKey: Uint8Array): string {
    const { buffer, byteOffset, byteLength } = encryptedKey;
    return `${this.epoch} ${Buffer.from(buffer, byteOffset, byteLength).toString('latin1')}`;
  }

  #drop(id: string): void {
    this.#entries.get(id)?.key.destroy();
    this.#entries.delete(id);
  }

  /** Keys are zeroed when their time is over, not at the next use. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#entries.size === 0) return;
    const next = Math.min(...[...this.#entries.values()].map((entry) => entry.expires));
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const now = Date.now();
        for (const [id, entry] of [...this.#entries]) if (entry.expires <= now) this.#drop(id);
        this.#schedule();
      },
      Math.max(next - Date.now(), 1),
    );
    this.#timer.unref();
  }
}
