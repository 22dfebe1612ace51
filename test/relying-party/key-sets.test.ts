import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { verifyToken } from '../../lib/index.js';
import { type Cache, memoryCache, sharedKeySets } from '../../lib/relying-party/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken } from '../token/issuer.js';

const secret = Buffer.alloc(32, 2);
const ADDRESS = `${ISSUER}/certs`;
const keys = rsaKeys();
const set = JSON.stringify({ keys: [jwkOf(keys)] });
const issuer = (body = set) => vi.fn<typeof fetch>(async () => new Response(body));
const textOf = async (response: Promise<Response>): Promise<string> => (await response).text();
afterEach(() => void vi.useRealTimers());

/** The cache with whatever was set under its one key. */
function spied(): { cache: Cache; value(): Uint8Array; replace(bytes: Uint8Array): void } {
  let value: Uint8Array | undefined;
  return {
    cache: {
      get: async () => value,
      set: async (_, bytes) => {
        value = bytes;
      },
    },
    value: () => value as Uint8Array,
    replace: (bytes) => {
      value = bytes;
    },
  };
}

describe('sharedKeySets', () => {
  it('lets one replica fetch for all, and tokens verify by what is shared', async () => {
    const cache = memoryCache();
    const [one, two] = [issuer(), issuer()];
    const token = signToken(guestClaims(), keys.privateKey);
    for (const fetchFunction of [one, two]) {
      const fetchShared = sharedKeySets(cache, { secret, fetch: fetchFunction });
      await verifyToken(token, { issuer: ISSUER, now: NOW, keyFetch: { fetch: fetchShared } });
    }
    expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 0]);
  });

  it('asks the issuer when the same process wants a newer set', async () => {
    const cache = memoryCache();
    await textOf(sharedKeySets(cache, { secret, fetch: issuer() })(ADDRESS));
    const fetchFunction = issuer('newer');
    const shared = sharedKeySets(cache, { secret, fetch: fetchFunction });
    expect(await textOf(shared(ADDRESS))).toBe(set);
    expect(await textOf(shared(ADDRESS))).toBe('newer');
  });

  it('writes byte for byte what the specification says', async () => {
    const { cache, value } = spied();
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    await sharedKeySets(cache, { secret, fetch: issuer(), lifetimeMs: 60_000 })(ADDRESS);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(1_800_000_060_000n);
    const key = Buffer.from(hkdfSync('sha256', secret, '', 'cvm-guest-attestation jwks v1', 32));
    const digest = createHash('sha256').update(set).digest();
    const length = Buffer.from([0, ADDRESS.length]);
    const message = Buffer.concat([Buffer.from('jwks v1\0'), length, Buffer.from(ADDRESS), time, digest]);
    const mac = createHmac('sha256', key).update(message).digest();
    expect(Buffer.from(value())).toEqual(Buffer.concat([time, Buffer.from(set), mac]));
  });

  it('misses what was altered, is of another address or secret, has ended or ends too late', async () => {
    const { cache, value, replace } = spied();
    await sharedKeySets(cache, { secret, fetch: issuer() })(ADDRESS);
    const good = value();
    const read = async (bytes: Uint8Array, address = ADDRESS, more = {}): Promise<string> => {
      replace(bytes);
      return textOf(sharedKeySets(cache, { secret, fetch: issuer('fetched'), ...more })(address));
    };
    expect(await read(good)).toBe(set);
    expect(await read(good, ADDRESS, { secret: [Buffer.alloc(32, 3), secret] })).toBe(set);
    for (const at of [0, 7, 8, 100, good.length - 1]) {
      const altered = good.slice();
      altered[at] = (altered[at] as number) ^ 1;
      expect(await read(altered), `byte ${at}`).toBe('fetched');
    }
    expect(await read(good, 'https://other.example/certs')).toBe('fetched');
    expect(await read(good, ADDRESS, { secret: Buffer.alloc(32, 3) })).toBe('fetched');
    expect(await read(good, ADDRESS, { lifetimeMs: 60_000 })).toBe('fetched');
    expect(await read(new Uint8Array(10))).toBe('fetched');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_001 });
    expect(await read(good)).toBe('fetched');
  });

  it('keeps no refusal, and does without a cache that fails', async () => {
    const cache = memoryCache();
    const refusing = vi.fn<typeof fetch>(async () => new Response('no', { status: 500 }));
    await sharedKeySets(cache, { secret, fetch: refusing })(ADDRESS);
    expect(await textOf(sharedKeySets(cache, { secret, fetch: issuer() })(ADDRESS))).toBe(set);
    const broken: Cache = { get: () => Promise.reject(new Error('x')), set: () => Promise.reject(new Error('x')) };
    expect(await textOf(sharedKeySets(broken, { secret, fetch: issuer() })(ADDRESS))).toBe(set);
  });

  it('does without a cache that throws at once or answers with what is not bytes', async () => {
    const throwing = (): never => {
      throw new Error('x');
    };
    for (const get of [throwing, async () => 5, async () => ({})]) {
      const cache = { get, set: throwing } as unknown as Cache;
      expect(await textOf(sharedKeySets(cache, { secret, fetch: issuer() })(ADDRESS))).toBe(set);
    }
  });

  it('waits for a cache no longer than who asks', async () => {
    const never = (): Promise<never> => new Promise(() => {});
    for (const cache of [
      { get: never, set: async () => {} },
      { get: async () => undefined, set: never },
    ]) {
      const asked = sharedKeySets(cache, { secret, fetch: issuer() })(ADDRESS, { signal: AbortSignal.timeout(20) });
      await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    }
  });

  it('shares no set that is too long, of which it reads no more than it would share', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1;
        if (sent > 100) controller.close();
        else controller.enqueue(new Uint8Array(1 << 20));
      },
    });
    const { cache, value } = spied();
    const response = await sharedKeySets(cache, { secret, fetch: async () => new Response(endless) })(ADDRESS);
    expect(sent).toBeLessThan(10);
    expect(value()).toBeUndefined();
    // Whoever asked decides how much of it to read.
    expect((await response.arrayBuffer()).byteLength).toBe(100 << 20);
  });
});
