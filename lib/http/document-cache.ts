import { delay, untilAborted } from '../base/abort.js';
import type { Cache, FetchLock } from '../base/cache.js';
import { type CacheEntry, entryKeys, openEntry, sealEntry } from '../base/cache-entry.js';
import type { Logger } from '../base/logger.js';

/** A document of a service that is fetched, cached and verified again after each read. */
export interface CachedDocument {
  /** Unique among all documents of the cache. */
  name: string;
  /** Older entries are ignored, by this process's clock, whatever the store says. May be infinite. */
  maxAgeMs: number;
  /**
   * For documents that are issued again, and whose older issues say less: revocation lists, TCB info, identities. When
   * this one was issued, in milliseconds; an issue older than one that this process used before is ignored.
   */
  issuedAt?: (body: Uint8Array) => number;
  /** For documents that say when they end, in milliseconds: an entry is not used beyond it. */
  expiresAt?: (body: Uint8Array) => number;
  /** The service gives few of these in a time: one process at a time asks, where there is a lock. */
  isThrottled?: boolean;
  /** Throws for anything but the document. */
  check: (body: Uint8Array) => void;
  fetch: () => Promise<Uint8Array>;
}

export interface DocumentCacheOptions {
  cache?: Cache | undefined;
  /** Shared by the replicas that share the cache. */
  secrets?: readonly Uint8Array[] | undefined;
  lock?: FetchLock | undefined;
  /** For the lock, `lock:kds` for one. */
  lockKey: string;
  logger: Logger;
}

const REMEMBERED = 256;
const LOCK_MS = 10_000;
const LOOK_AGAIN_MS = 500;
/** After this long without an entry or the lock, fetch all the same. */
const PATIENCE_MS = 60_000;
const MAXIMUM_TTL_MS = 366 * 24 * 3600 * 1000;

/**
 * What a service answered: in this process, then in a shared cache, then from the service, by one request for all who wait
 * for it in this process and, by the lock, in all of them.
 */
export class DocumentCache {
  readonly #options: DocumentCacheOptions;
  readonly #keys: readonly Uint8Array[];
  readonly #memory = new Map<string, CacheEntry>();
  readonly #inProgress = new Map<string, Promise<Uint8Array>>();
  /** By name: the newest issue that this process has used. */
  readonly #newestUsed = new Map<string, number>();

  constructor(options: DocumentCacheOptions) {
    this.#options = options;
    this.#keys = entryKeys(options.secrets ?? []);
  }

  /** A copy of the document. The shared work outlives one caller's abort. */
  async get(document: CachedDocument, signal?: AbortSignal): Promise<Uint8Array> {
    const { name } = document;
    let shared = this.#inProgress.get(name);
    if (shared === undefined) {
      shared = this.#find(document).finally(() => this.#inProgress.delete(name));
      this.#inProgress.set(name, shared);
    }
    return (await untilAborted(shared, signal)).slice();
  }

  async #find(document: CachedDocument): Promise<Uint8Array> {
    const known = this.#memory.get(document.name);
    if (known !== undefined && isFresh(known, document)) return known.body;
    return (await this.#fromCache(document)) ?? (await this.#fetchInTurn(document));
  }

  async #fromCache(document: CachedDocument): Promise<Uint8Array | undefined> {
    const { cache, secrets, logger } = this.#options;
    if (cache === undefined) return undefined;
    // Without a MAC anyone who writes to the cache could roll such a document back: this process fetches it once first.
    if (secrets === undefined && document.issuedAt !== undefined && !this.#newestUsed.has(document.name))
      return undefined;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await cache.get(document.name);
    } catch (error) {
      logger.warn(`the certificate cache cannot be read: ${messageOf(error)}`);
      return undefined;
    }
    if (!(bytes instanceof Uint8Array)) return undefined;
    const entry = openEntry(document.name, bytes, this.#keys, Date.now());
    if (entry === undefined || !isFresh(entry, document) || !this.#isUsable(document, entry.body)) return undefined;
    this.#remember(document, entry);
    return entry.body;
  }

  /** Fetches, unless another process does so and leaves the document in the cache. */
  async #fetchInTurn(document: CachedDocument): Promise<Uint8Array> {
    const { cache, lock, lockKey, logger } = this.#options;
    if (lock !== undefined && cache !== undefined && document.isThrottled === true) {
      const started = performance.now();
      while (performance.now() - started < PATIENCE_MS) {
        let ours: boolean;
        try {
          ours = await lock.claim(lockKey, LOCK_MS);
        } catch (error) {
          logger.warn(`the lock of the certificate service cannot be asked for: ${messageOf(error)}`);
          break;
        }
        if (ours) break;
        await delay(LOOK_AGAIN_MS);
        const found = await this.#fromCache(document);
        if (found !== undefined) return found;
      }
    }
    return this.#fetch(document);
  }

  async #fetch(document: CachedDocument): Promise<Uint8Array> {
    const { cache, logger } = this.#options;
    const body = await document.fetch();
    document.check(body);
    const entry = { body, fetchedAt: Date.now() };
    this.#remember(document, entry);
    try {
      const bytes = sealEntry(document.name, entry, this.#keys[0] as Uint8Array);
      const left = (document.expiresAt?.(body) ?? Number.POSITIVE_INFINITY) - Date.now();
      if (left > 0) await cache?.set(document.name, bytes, Math.min(document.maxAgeMs, left, MAXIMUM_TTL_MS));
    } catch (error) {
      logger.warn(`the certificate cache cannot be written: ${messageOf(error)}`);
    }
    return body;
  }

  #isUsable(document: CachedDocument, body: Uint8Array): boolean {
    try {
      document.check(body);
      const issued = document.issuedAt?.(body) ?? 0;
      return issued >= (this.#newestUsed.get(document.name) ?? Number.NEGATIVE_INFINITY);
    } catch {
      return false;
    }
  }

  #remember(document: CachedDocument, entry: CacheEntry): void {
    if (document.issuedAt !== undefined) this.#newestUsed.set(document.name, document.issuedAt(entry.body));
    this.#memory.delete(document.name);
    this.#memory.set(document.name, entry);
    if (this.#memory.size > REMEMBERED) this.#memory.delete(this.#memory.keys().next().value as string);
  }
}

function isFresh({ fetchedAt, body }: CacheEntry, { maxAgeMs, expiresAt }: CachedDocument): boolean {
  const age = Date.now() - fetchedAt;
  return age >= -60_000 && age <= maxAgeMs && !hasExpired(body, expiresAt);
}

/** What cannot be read is for `check` to refuse. */
function hasExpired(body: Uint8Array, expiresAt: CachedDocument['expiresAt']): boolean {
  try {
    return expiresAt !== undefined && Date.now() > expiresAt(body);
  } catch {
    return true;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
