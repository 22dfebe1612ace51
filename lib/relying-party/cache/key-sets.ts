import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { untilAborted } from '../../base/abort.js';
import type { Cache } from '../../base/cache.js';
import { callable, integer, withMethods } from '../../base/option-kinds.js';
import { checkArgument, checkOptions, required } from '../../base/options.js';
import { BoundedBody, HttpError } from '../../http/transport.js';
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
const MAXIMUM_ENTRY = 4 * 1024 * 1024;
const MAXIMUM_SET = MAXIMUM_ENTRY - TIME_BYTES - MAC_BYTES;
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

  // Somebody else's cache: it may throw at once, and answer with what is not bytes.
  const read = async (address: string): Promise<Buffer | undefined> => {
    const bytes = await shared.get(cacheKey(address));
    return bytes && Buffer.from(bytes);
  };
  const write = async (address: string, entry: Buffer): Promise<void> => {
    await shared.set(cacheKey(address), entry, lifetimeMs);
  };

  const fromCache = async (address: string): Promise<Buffer | undefined> => {
    const bytes = await read(address).catch(() => undefined);
    const entry = bytes && openKeySet(address, bytes, keys);
    if (entry === undefined) return undefined;
    const now = Date.now();
    const isBelieved = entry.expiry > now && entry.expiry <= now + lifetimeMs + CLOCK_TOLERANCE_MS;
    if (!isBelieved || entry.expiry <= (used.get(address) ?? 0)) return undefined;
    used.set(address, entry.expiry);
    return entry.body;
  };

  return async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    const found = await untilAborted(fromCache(address), signal);
    if (found !== undefined) return new Response(Uint8Array.from(found), { headers: JSON_TYPE });
    const response = await fetchFunction(input, init);
    const length = Number(response.headers.get('content-length') ?? 0);
    if (response.status !== 200 || length > MAXIMUM_SET) return response;
    const body = await untilAborted(bodyOf(response.clone()), signal);
    // Whoever asked has a limit of his own.
    if (body === undefined) return response;
    const expiry = Date.now() + lifetimeMs;
    used.set(address, expiry);
    const entry = sealKeySet(address, body, expiry, keys[0] as Buffer);
    await untilAborted(
      write(address, entry).catch(() => {}),
      signal,
    );
    return response;
  };
}

/** The body of a response's copy; undefined when it is longer than what is shared. */
async function bodyOf(copy: Response): Promise<Buffer | undefined> {
  const body = new BoundedBody(MAXIMUM_SET);
  const reader = copy.body?.getReader();
  try {
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) body.add(part.value);
  } catch (error) {
    // Not waited for: that of a copy ends with the original's.
    reader?.cancel().catch(() => {});
    if (error instanceof HttpError) return undefined;
    throw error;
  }
  return Buffer.from(body.bytes());
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
  if (bytes.length <= TIME_BYTES + MAC_BYTES || bytes.length > MAXIMUM_ENTRY) return undefined;
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
