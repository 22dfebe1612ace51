import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../lib/relying-party/stores/deadlines.js';

const never = (): Promise<never> => new Promise(() => {});
const later = <Value>(ms: number, value: Value): Promise<Value> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));

describe('the deadlines of a store', () => {
  it('end what does not settle, and leave alone what does, in any order', async () => {
    const deadlines = new Deadlines(120);
    const asked = [
      deadlines.bound(later(30, 'first')),
      deadlines.bound(never()),
      deadlines.bound(later(10, 'third')),
      deadlines.bound(Promise.reject(new Error('broken'))),
      deadlines.bound(never()),
      deadlines.bound(later(20, 'last')),
    ];
    const started = performance.now();
    const settled = await Promise.allSettled(asked);
    expect(performance.now() - started).toBeGreaterThan(100);
    expect(
      settled.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason.code ?? one.reason.message))),
    ).toEqual(['first', 'ERR_STORE_TIMEOUT', 'third', 'broken', 'ERR_STORE_TIMEOUT', 'last']);
  });

  it('take up again after they had nothing to wait for, and after they were late', async () => {
    const deadlines = new Deadlines(50);
    for (let round = 0; round < 3; round++) {
      expect(await deadlines.bound(later(1, round))).toBe(round);
      await expect(deadlines.bound(never())).rejects.toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
      await later(70, undefined);
    }
  });

  it('are not moved by an answer that comes too late', async () => {
    const deadlines = new Deadlines(40);
    await expect(deadlines.bound(later(80, 'late'))).rejects.toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
    const next = deadlines.bound(never());
    await later(20, undefined);
    await expect(next).rejects.toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
  });

  it('pass on what a store answers at once, without a promise', async () => {
    expect(await new Deadlines(50).bound(true as never)).toBe(true);
  });
});
