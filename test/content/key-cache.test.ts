import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decryptEnvelope, encryptEnvelope } from '../../lib/content/envelope.js';
import { KeyCache } from '../../lib/content/key-cache.js';
import { native } from '../../lib/native.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });
const anyKey = () => new (native().ContentKey)();

describe('the key cache', () => {
  it('saves the second unwrapping of a key, of which it keeps nothing that failed', async () => {
    const keyCache = new KeyCache();
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(50));
    const before = key.unwraps;
    const changed = Buffer.concat([encryptedData.subarray(1), Buffer.alloc(1)]);
    await expect(decryptEnvelope(changed, encryptionMetadata, key.unwrap, { keyCache })).rejects.toEqual(refused(26));
    expect(keyCache.size).toBe(0);
    for (let i = 0; i < 3; i++) {
      const plain = await decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap, { keyCache });
      expect(plain).toEqual(pattern(50));
    }
    expect(key.unwraps - before).toBe(2);
    await expect(decryptEnvelope(changed, encryptionMetadata, key.unwrap, { keyCache })).rejects.toEqual(refused(26));
    keyCache.clear();
  });

  it('drops a key when its time is over, used or not', () => {
    const cache = new KeyCache({ maxAgeMs: 1000 });
    const [a, b] = [randomBytes(256), randomBytes(256)];
    cache.put(a, anyKey());
    vi.advanceTimersByTime(600);
    cache.put(b, anyKey());
    expect(cache.get(a)).toBeDefined();
    vi.advanceTimersByTime(401);
    expect(cache.get(a)).toBeUndefined();
    expect(cache.get(b)).toBeDefined();
    expect(cache.size).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(cache.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('drops the key used longest ago when it is full', () => {
    const cache = new KeyCache({ maxKeys: 3 });
    const ids = Array.from({ length: 4 }, () => randomBytes(256)) as [Buffer, Buffer, Buffer, Buffer];
    for (const id of ids.slice(0, 3)) cache.put(id, anyKey());
    cache.get(ids[0]);
    cache.put(ids[3], anyKey());
    expect(ids.map((id) => cache.get(id) !== undefined)).toEqual([true, false, true, true]);
    cache.clear();
    expect(cache.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives copies: destroying one leaves the other', () => {
    const cache = new KeyCache();
    const id = randomBytes(256);
    const original = anyKey();
    cache.put(id, original);
    original.destroy();
    const copy = cache.get(id);
    copy?.destroy();
    const again = cache.get(id);
    expect(() => again?.sealKey(Buffer.alloc(12), Buffer.alloc(0), anyKey())).not.toThrow();
    cache.clear();
  });

  it('knows a key under its epoch only, and none after close()', () => {
    const cache = new KeyCache();
    const id = randomBytes(256);
    cache.put(id, anyKey());
    cache.epoch = 'another key of the TPM';
    expect(cache.get(id)).toBeUndefined();
    cache.epoch = '';
    expect(cache.get(id)).toBeDefined();
    cache.close();
    cache.put(id, anyKey());
    expect(cache.size).toBe(0);
    expect(cache.get(id)).toBeUndefined();
  });

  it('refuses bounds that are none', () => {
    for (const options of [{ maxKeys: 0 }, { maxKeys: 1.5 }, { maxKeys: 1e6 }, { maxAgeMs: 0 }, { maxAgeMs: 1e12 }]) {
      expect(() => new KeyCache(options)).toThrow(refused(8));
    }
  });
});
