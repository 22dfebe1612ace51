import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Cache } from '../../base/cache.js';
import { callable, integer, withMethods } from '../../base/option-kinds.js';
import { checkArgument, checkOptions, required } from '../../base/options.js';
import { deriveKey, secrets } from '../secrets.js';

export interface SharedKeySetsOptions {
  /** Secrets of those who share the cache, 32 bytes or more each; the first makes, all verify. */
  secret: Uint8Array | Uint8Array[];
  /** For how long a key set is believed, by any reader. Default 3,600,000. */
  lifetimeMs?: number;
  /** How sets are fetched. Default: the global `fetch`. */
  fetch?: typeof fetch;
}

/**
 * entry = expiry (u64 ms) ‖ body ‖ HMAC-SHA-256(K, `jwks v1` ‖ 0x00 ‖ u16 length ‖ address ‖ expiry ‖ SHA-256(body)), integers
 * big-endian. Key sets have no signature of their own: without the MAC whoever writes to the cache would choose the keys.
 */
const PREFIX = Buffer.from('jwks v1\0');
const TIME_BYTES = 8;
const MAC_BYTES = 32;
const MAXIMUM_SET = 4 * 1024 * 1024;
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * A `fetch` for `keyFetch.fetch` of `verifyToken` and of the guards, by which replicas share the key sets of issuers in a
 * cache, under a MAC. A wrong MAC, another address, an entry that has ended or that ends later than one made now: a miss.
 * An entry is used once in each process: whoever asks again looks for a newer set, and gets it from the issuer.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function sharedKeySets(cache: Cache, options: SharedKeySetsOptions): typeof fetch {
  const shared = checkArgument('sharedKeySets', 'cache', cache, withMethods<Cache>('get', 'set'));
  const checked = checkOptions<SharedKeySetsOptions>('sharedKeySets', options, {
    secret: required(secrets),
    lifetimeMs: integer(1_000, 86_400_000),
    fetch: callable<typeof fetch>(),
  });
  const { lifetimeMs = 3_600_000, fetch: fetchFunction = fetch } = checked;
  const keys = (checked.secret as Uint8Array[]).map((secret) => deriveKey(secret, 'jwks'));
  const used = new Map<string, number>();

  const fromCache = async (address: string): Promise<Buffer | undefined> => {
    const bytes = await shared.get(cacheKey(address)).catch(() => undefined);
    const entry = bytes && openKeySet(address, Buffer.from(bytes), keys);
    if (entry === undefined) return undefined;
    const now = Date.now();
    const isBelieved = entry.expiry > now && entry.expiry <= now + lifetimeMs + CLOCK_TOLERANCE_MS;
    if (!isBelieved || entry.expiry <= (used.get(address) ?? 0)) return undefined;
    used.set(address, entry.expiry);
    return entry.body;
  };

  return async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const found = await fromCache(address);
    if (found !== undefined) return new Response(Uint8Array.from(found), { headers: JSON_TYPE });
    const response = await fetchFunction(input, init);
    const length = Number(response.headers.get('content-length') ?? 0);
    if (response.status !== 200 || length > MAXIMUM_SET) return response;
    const body = Buffer.from(await response.clone().arrayBuffer());
    const expiry = Date.now() + lifetimeMs;
    used.set(address, expiry);
    await shared
      .set(cacheKey(address), sealKeySet(address, body, expiry, keys[0] as Buffer), lifetimeMs)
      .catch(() => {});
    return response;
  };
}

const JSON_TYPE = { 'Content-Type': 'application/json' } as const;
const cacheKey = (address: string): string => `jwks:${createHash('sha256').update(address).digest('hex')}`;

function sealKeySet(address: string, body: Buffer, expiry: number, key: Buffer): Buffer {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(expiry));
  return Buffer.concat([time, body, keySetMac(address, time, body, key)]);
}

function openKeySet(
  address: string,
  bytes: Buffer,
  keys: readonly Buffer[],
): { body: Buffer; expiry: number } | undefined {
  if (bytes.length <= TIME_BYTES + MAC_BYTES || bytes.length > MAXIMUM_SET) return undefined;
  const time = bytes.subarray(0, TIME_BYTES);
  const body = bytes.subarray(TIME_BYTES, -MAC_BYTES);
  const mac = bytes.subarray(-MAC_BYTES);
  if (!keys.some((key) => timingSafeEqual(mac, keySetMac(address, time, body, key)))) return undefined;
  return { body, expiry: Number(time.readBigUInt64BE()) };
}

function keySetMac(address: string, time: Buffer, body: Buffer, key: Buffer): Buffer {
  const name = Buffer.from(address, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(name.length);
  const digest = createHash('sha256').update(body).digest();
  return createHmac('sha256', key).update(PREFIX).update(length).update(name).update(time).update(digest).digest();
}
