import type { Cache } from './cache.js';
import { integer } from './option-kinds.js';
import { checkOptions } from './options.js';

export interface MemoryCacheOptions {
  /** Default 1,024. The entry unused for longest goes first. */
  maxEntries?: number;
  /** Of all values together. Default 64 MiB. */
  maxBytes?: number;
}

/**
 * A cache in this process.
 *
 * @throws {AttestationError} 8 for options out of range.
 */
export function memoryCache(options: MemoryCacheOptions = {}): Cache {
  const { maxEntries = 1_024, maxBytes = 64 * 1024 * 1024 } = checkOptions<MemoryCacheOptions>('memoryCache', options, {
    maxEntries: integer(1, 1_000_000),
    maxBytes: integer(1, Number.MAX_SAFE_INTEGER),
  });
  const entries = new Map<string, { value: Uint8Array; end: number }>();
  let size = 0;
  const drop = (key: string): void => {
    size -= entries.get(key)?.value.length ?? 0;
    entries.delete(key);
  };
  return {
    get: async (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      if (performance.now() >= entry.end) {
        size -= entry.value.length;
        return undefined;
      }
      entries.set(key, entry);
      return entry.value.slice();
    },
    set: async (key, value, ttlMs) => {
      drop(key);
      if (value.length > maxBytes) return;
      entries.set(key, { value: value.slice(), end: performance.now() + ttlMs });
      size += value.length;
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries && size <= maxBytes) break;
        drop(oldest);
      }
    },
  };
}
