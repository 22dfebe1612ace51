import type { Cache } from '../../base/cache.js';
import { milliseconds, textLike } from '../../base/option-kinds.js';
import { checkOptions } from '../../base/options.js';
import { Deadlines } from '../stores/deadlines.js';
import { type RedisClient, redisConnection } from '../stores/redis-client.js';

export interface RedisCacheOptions {
  /** Before every key. Default `cache:`. */
  prefix?: string;
  /** For how long one operation may take. Default 1,000: whoever asks fetches then. */
  deadlineMs?: number;
}

const MAXIMUM_VALUE = 8 * 1024 * 1024;
const MAXIMUM_TTL_MS = 2 ** 40;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * A cache in Redis or Valkey, by the caller's own client (package `redis` or `ioredis`). Values are base64. It may be a
 * server that evicts: keep it apart from the server of `redisReplayStore`, which may not.
 *
 * @throws {AttestationError} 8 for another client, and for options out of range.
 */
export function redisCache(client: RedisClient, options: RedisCacheOptions = {}): Cache {
  const { prefix = 'cache:', deadlineMs = 1_000 } = checkOptions<RedisCacheOptions>('redisCache', options, {
    prefix: textLike(/^[\w:.-]{1,64}$/, 'letters, digits or any of _:.-'),
    deadlineMs: milliseconds,
  });
  const connection = redisConnection(client);
  const deadlines = new Deadlines(deadlineMs);
  return {
    get: async (key) => {
      const value = await deadlines.bound(connection.command(['GET', prefix + key]));
      if (typeof value !== 'string' || value.length > (MAXIMUM_VALUE * 4) / 3 || !BASE64.test(value)) return undefined;
      return Uint8Array.from(Buffer.from(value, 'base64'));
    },
    set: async (key, value, ttlMs) => {
      if (value.length > MAXIMUM_VALUE) return;
      const text = Buffer.from(value).toString('base64');
      const ttl = String(Math.max(1, Math.floor(Math.min(ttlMs, MAXIMUM_TTL_MS))));
      await deadlines.bound(connection.command(['SET', prefix + key, text, 'PX', ttl]));
    },
  };
}
