import { describe, expect, it } from 'vitest';
import { type PostgresPool, postgresReplayStore } from '../../lib/relying-party/index.js';

describe('postgresReplayStore', () => {
  it('refuses at once when a thousand claims wait, from the first claim on', async () => {
    const away: PostgresPool = { totalCount: 0, query: async () => {}, connect: () => new Promise(() => {}) };
    const store = postgresReplayStore(away, { deadlineMs: 50 });
    const claim = (key: number): Promise<unknown> => store.claim(`challenge:${key}`, 1_000).catch(({ code }) => code);
    const codes = await Promise.all(Array.from({ length: 1_000 }, (_, key) => claim(key)));
    expect(new Set(codes)).toEqual(new Set(['ERR_STORE_TIMEOUT']));
    expect(await claim(1_000)).toBe('ERR_STORE_UNAVAILABLE');
  });
});
