import { describe, expect, it, vi } from 'vitest';
import { createChallenges, memoryReplayStore } from '../../lib/relying-party/index.js';

describe('memoryReplayStore', () => {
  it('lets one of many claims of a key win', async () => {
    const store = memoryReplayStore();
    const wins = await Promise.all(Array.from({ length: 100 }, () => store.claim('challenge:1', 60_000)));
    expect(wins.filter((won) => won)).toHaveLength(1);
  });

  it('forgets a claim when its time is over, and not before', async () => {
    const store = memoryReplayStore();
    await store.claim('challenge:1', 40);
    expect(await store.claim('challenge:1', 40)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await store.claim('challenge:1', 40)).toBe(true);
  });

  it('keeps its claims when the system clock is set', async () => {
    const store = memoryReplayStore();
    await store.claim('challenge:1', 60_000);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    expect(await store.claim('challenge:1', 60_000)).toBe(false);
    vi.useRealTimers();
  });

  it('refuses what does not fit instead of forgetting what it holds', async () => {
    const store = memoryReplayStore({ maxEntries: 2 });
    await store.claim('challenge:1', 60_000);
    await store.claim('challenge:2', 30);
    await expect(store.claim('challenge:3', 60_000)).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
    expect(await store.claim('challenge:1', 60_000)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await store.claim('challenge:3', 60_000)).toBe(true);
  });

  it('refuses a challenge from before this process when fenced: its claim may have been forgotten', async () => {
    const options = { secret: Buffer.alloc(32, 7), lifetimeMs: 3_600_000, store: memoryReplayStore({ fence: true }) };
    const before = performance.timeOrigin - 5;
    vi.useFakeTimers({ toFake: ['Date'], now: before });
    const challenge = createChallenges(options).issue();
    vi.setSystemTime(before + 10_000);
    await expect(createChallenges(options).redeem(challenge)).rejects.toMatchObject({ code: 'ERR_STORE_RESTARTED' });
    const afterStart = createChallenges(options).issue();
    vi.setSystemTime(before + 20_000);
    await createChallenges(options).redeem(afterStart);
    vi.useRealTimers();
  });

  it.each([
    ['', 1],
    ['a key with blanks', 1],
    ['challenge:1\n', 1],
    ['challenge:\u0000', 1],
    ['challenge:é', 1],
    ['challenge:\u0141', 1],
    ['x'.repeat(129), 1],
    ['challenge:1', 0],
    ['challenge:1', Number.NaN],
    ['challenge:1', 1.5],
  ])('refuses the claim of %j for %d ms as an error of the caller', async (key, ttlMs) => {
    await expect(memoryReplayStore().claim(key, ttlMs)).rejects.toMatchObject({ code: 8 });
  });

  it('takes a key of each character that one may have, and no other of the first 256', async () => {
    const store = memoryReplayStore();
    for (let code = 0; code < 256; code++) {
      const key = `challenge${String.fromCharCode(code)}`;
      const claimed = store.claim(key, 60_000);
      if (/^[A-Za-z0-9_:.-]+$/.test(key)) expect(await claimed).toBe(true);
      else await expect(claimed).rejects.toMatchObject({ code: 8 });
    }
    expect(await store.claim('x'.repeat(128), 60_000)).toBe(true);
  });
});
