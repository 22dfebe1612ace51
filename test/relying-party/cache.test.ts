import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { entryKeys, openEntry, sealEntry } from '../../lib/base/cache-entry.js';
import { silentLogger } from '../../lib/base/logger.js';
import { type CachedDocument, DocumentCache } from '../../lib/http/document-cache.js';
import { type Cache, fileCache, memoryCache, memoryReplayStore } from '../../lib/relying-party/index.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => void vi.useRealTimers());

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each([
  ['memoryCache', () => memoryCache()],
  ['fileCache', () => fileCache(join(folder, 'kept'))],
] as const)('%s', (name, make) => {
  it('gives back a copy of what was set, until its time is over', async () => {
    const cache = make();
    const value = bytes('one');
    await cache.set('vcek/1?a=b', value, 700);
    value.fill(0);
    (await cache.get('vcek/1?a=b'))?.fill(0);
    expect(await cache.get('vcek/1?a=b')).toEqual(bytes('one'));
    expect(await cache.get('vcek/1?a=c')).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(await cache.get('vcek/1?a=b')).toBeUndefined();
  });

  it('keeps keys apart that look alike as file names', async () => {
    const cache = make();
    await cache.set('a/b', bytes('1'), 60_000);
    await cache.set('a-b', bytes('2'), 60_000);
    await cache.set('../../a-b', bytes('3'), 60_000);
    expect([await cache.get('a/b'), await cache.get('a-b'), await cache.get('../../a-b')]).toEqual(
      ['1', '2', '3'].map(bytes),
    );
    if (name === 'fileCache') expect(readdirSync(folder)).toEqual(['kept']);
  });
});

describe('fileCache', () => {
  it('keeps its folder and files to this user, and leaves nothing half written', async () => {
    const path = join(folder, 'own');
    await Promise.all(Array.from({ length: 20 }, (_, index) => fileCache(path).set('k', bytes(`${index}`), 60_000)));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    const files = readdirSync(path);
    expect(files).toHaveLength(1);
    expect(statSync(join(path, files[0] as string)).mode & 0o777).toBe(0o600);
  });

  it('takes an empty or a huge file for a miss', async () => {
    const path = join(folder, 'spoilt');
    const cache = fileCache(path);
    await cache.set('k', bytes('1'), 60_000);
    const file = join(path, readdirSync(path)[0] as string);
    for (const content of ['', 'short', Buffer.alloc(9 << 20, 0xff)]) {
      writeFileSync(file, content);
      expect(await cache.get('k')).toBeUndefined();
    }
  });
});

describe('memoryCache', () => {
  it('drops the entry unused for longest when there are too many, or too many bytes', async () => {
    const cache = memoryCache({ maxEntries: 2, maxBytes: 10 });
    await cache.set('a', bytes('1'), 60_000);
    await cache.set('b', bytes('2'), 60_000);
    await cache.get('a');
    await cache.set('c', bytes('3'), 60_000);
    expect([await cache.get('a'), await cache.get('b'), await cache.get('c')]).toEqual([
      bytes('1'),
      undefined,
      bytes('3'),
    ]);
    await cache.set('d', bytes('123456789'), 60_000);
    expect([await cache.get('a'), await cache.get('d')]).toEqual([undefined, bytes('123456789')]);
    await cache.set('e', bytes('12345678901'), 60_000);
    expect(await cache.get('e')).toBeUndefined();
  });
});

describe('shared cache entries', () => {
  const secret = Buffer.alloc(32, 4);
  const [key] = entryKeys([secret]) as [Uint8Array];

  it('are byte for byte what the specification says', () => {
    const fetchedAt = 1_800_000_000_123;
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(fetchedAt));
    const body = bytes('certificate');
    const name = Buffer.from('vcek-é');
    const length = Buffer.from([0, name.length]);
    const k = Buffer.from(hkdfSync('sha256', secret, new Uint8Array(0), 'cvm-guest-attestation cache v1', 32));
    const digest = createHash('sha256').update(body).digest();
    const mac = createHmac('sha256', k)
      .update(Buffer.concat([length, name, time, digest]))
      .digest();
    expect(Buffer.from(sealEntry('vcek-é', { body, fetchedAt }, key))).toEqual(Buffer.concat([time, body, mac]));
  });

  it('are misses when altered, of another name, of another secret or from the future', () => {
    const now = Date.now();
    const sealed = sealEntry('a', { body: bytes('body'), fetchedAt: now }, key);
    expect(openEntry('a', sealed, [entryKeys([Buffer.alloc(32, 9)])[0] as Uint8Array, key], now)?.body).toEqual(
      bytes('body'),
    );
    for (let at = 0; at < sealed.length; at++) {
      const altered = sealed.slice();
      altered[at] = (altered[at] as number) ^ 1;
      expect(openEntry('a', altered, [key], now)).toBeUndefined();
    }
    expect(openEntry('b', sealed, [key], now)).toBeUndefined();
    expect(openEntry('a', sealed, entryKeys([Buffer.alloc(32, 9)]), now)).toBeUndefined();
    expect(openEntry('a', sealed, [key], now - 120_000)).toBeUndefined();
    for (const size of [0, 8, 40]) expect(openEntry('a', new Uint8Array(size), [key], now)).toBeUndefined();
  });
});

describe('DocumentCache', () => {
  const secret = Buffer.alloc(32, 4);
  const documents = (cache: Cache | undefined, more: object = {}): DocumentCache =>
    new DocumentCache({ cache, secrets: [secret], lockKey: 'lock:kds', logger: silentLogger, ...more });
  const document = (fetch: () => Promise<Uint8Array>, more: Partial<CachedDocument> = {}): CachedDocument => ({
    name: 'document',
    maxAgeMs: 3_600_000,
    check: () => {},
    fetch,
    ...more,
  });

  it('fetches once for all who wait, and for another process that shares the cache', async () => {
    const cache = memoryCache();
    const fetch = vi.fn(async () => bytes('1'));
    const one = documents(cache);
    await Promise.all(Array.from({ length: 50 }, () => one.get(document(fetch))));
    await documents(cache).get(document(fetch));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['garbage', async (): Promise<Uint8Array> => bytes('garbage that is long enough to be taken for an entry')],
    ['text', async (): Promise<Uint8Array> => 'text' as never],
    ['an error', (): Promise<Uint8Array> => Promise.reject(new Error('gone'))],
  ])('fetches when the cache returns %s', async (_, get) => {
    const fetch = vi.fn(async () => bytes('1'));
    const cache: Cache = { get, set: () => Promise.reject(new Error('full')) };
    expect(await documents(cache).get(document(fetch))).toEqual(bytes('1'));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it('fetches when the cache holds another document under its name', async () => {
    const cache = memoryCache();
    await documents(cache).get(document(async () => bytes('of another chip')));
    const check = (body: Uint8Array): void => {
      if (body.length > 3) throw new Error('of another chip');
    };
    expect(await documents(cache).get(document(async () => bytes('1'), { check }))).toEqual(bytes('1'));
  });

  it('ignores an entry that has become too old, whatever the store says', async () => {
    const cache = memoryCache();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await documents(cache).get(document(async () => bytes('1'), { maxAgeMs: 1000 }));
    const keeping: Cache = { get: (key) => cache.get(key), set: async () => {} };
    vi.setSystemTime(Date.now() + 1001);
    expect(await documents(keeping).get(document(async () => bytes('2'), { maxAgeMs: 1000 }))).toEqual(bytes('2'));
  });

  it('never uses an older issue than before, also not under a genuine MAC', async () => {
    const cache = memoryCache();
    const issuedAt = (body: Uint8Array): number => body[0] as number;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    const one = documents(cache);
    await one.get(document(async () => bytes('7'), { issuedAt, maxAgeMs: 1000 }));
    vi.setSystemTime(Date.now() + 1001);
    await documents(memoryCache()).get(document(async () => bytes('5'), { issuedAt, maxAgeMs: 1000 }));
    const rolledBack = memoryCache();
    await documents(rolledBack).get(document(async () => bytes('5'), { issuedAt, maxAgeMs: 1000 }));
    await cache.set('document', (await rolledBack.get('document')) as Uint8Array, 60_000);
    expect(await one.get(document(async () => bytes('8'), { issuedAt, maxAgeMs: 1000 }))).toEqual(bytes('8'));
  });

  it('fetches what can be rolled back once in each process where there is no secret', async () => {
    const cache = memoryCache();
    const fetch = vi.fn(async () => bytes('1'));
    const issuedAt = (): number => 1;
    for (let process = 0; process < 3; process++) {
      const one = documents(cache, { secrets: undefined });
      await one.get(document(fetch, { issuedAt }));
      await one.get(document(fetch, { issuedAt }));
    }
    expect(fetch).toHaveBeenCalledTimes(3);
  });

  it('lets one replica ask a throttled service, while the others wait for the cache', async () => {
    const cache = memoryCache();
    const lock = memoryReplayStore();
    const fetch = vi.fn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return bytes('1');
    });
    const replicas = Array.from({ length: 5 }, () => documents(cache, { lock }));
    const found = await Promise.all(replicas.map((one) => one.get(document(fetch, { isThrottled: true }))));
    expect(found).toEqual(Array.from({ length: 5 }, () => bytes('1')));
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it('does not keep what could not be fetched or is not the document', async () => {
    const one = documents(memoryCache());
    await expect(one.get(document(() => Promise.reject(new Error('429'))))).rejects.toThrow('429');
    const check = (body: Uint8Array): void => {
      if (body.length > 3) throw new Error('not it');
    };
    await expect(one.get(document(async () => bytes('<html>'), { check }))).rejects.toThrow('not it');
    expect(await one.get(document(async () => bytes('1'), { check }))).toEqual(bytes('1'));
  });
});
