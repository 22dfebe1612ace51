import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createChallenges, postgresReplayStore, postgresReplayTable } from '../../lib/relying-party/index.js';
import { type Pool, pgClient, pgPool } from './packages.js';
import { PostgresServer } from './postgres-server.js';
import { freshKey, outcome, until } from './refusal.js';

const server = new PostgresServer();
const pools: Pool[] = [];

async function pool(options: object = {}): Promise<Pool> {
  const made = await pgPool(server.host, options);
  pools.push(made);
  return made;
}

beforeAll(async () => {
  await server.start();
  await (await pool()).query(postgresReplayTable());
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((one) => one.end()));
});
afterAll(() => server.remove());

describe('postgresReplayStore', () => {
  it('lets one of many claims of a key win, over several connections', async () => {
    const stores = [postgresReplayStore(await pool()), postgresReplayStore(await pool())];
    for (let round = 0; round < 50; round++) {
      const key = freshKey();
      const wins = await Promise.all([...stores, ...stores, ...stores].map((store) => store.claim(key, 60_000)));
      expect(wins.filter((won) => won)).toHaveLength(1);
    }
  });

  it('redeems a challenge once among replicas', async () => {
    const secret = Buffer.alloc(32, 5);
    const [one, other] = [await pool(), await pool()].map((of) =>
      createChallenges({ secret, store: postgresReplayStore(of) }),
    );
    const challenge = one?.issue() as string;
    await other?.redeem(challenge);
    expect(await outcome(one?.redeem(challenge) as Promise<void>)).toBe('ERR_CHALLENGE_USED');
  });

  it('lets a key be claimed again when its time is over, once', async () => {
    const stores = [postgresReplayStore(await pool()), postgresReplayStore(await pool())];
    const key = freshKey();
    await stores[0]?.claim(key, 50);
    await new Promise((resolve) => setTimeout(resolve, 80));
    const wins = await Promise.all(Array.from({ length: 8 }, (_, index) => stores[index % 2]?.claim(key, 60_000)));
    expect(wins.filter((won) => won)).toHaveLength(1);
  });

  it('deletes what has ended', async () => {
    const of = await pool();
    const store = postgresReplayStore(of, { sweepIntervalMs: 10 });
    const key = freshKey();
    await store.claim(key, 20);
    await until(async () => {
      await store.claim(freshKey(), 60_000);
      return (await of.query('SELECT 1 FROM cvm_challenges WHERE key = $1', [key])).rows.length === 0;
    });
  });

  it.each(['off', 'local', 'remote_write'])(
    'refuses a claim that commits with synchronous_commit %s',
    async (setting) => {
      const store = postgresReplayStore(await pool({ options: `-c synchronous_commit=${setting}` }));
      expect(await outcome(store.claim(freshKey(), 60_000))).toBe('ERR_STORE_CONFIGURATION');
    },
  );

  it('counts a serialization failure as no', async () => {
    const of = await pool({ options: '-c default_transaction_isolation=serializable' });
    const stores = [postgresReplayStore(of), postgresReplayStore(of)];
    for (let round = 0; round < 20; round++) {
      const key = freshKey();
      const outcomes = await Promise.all([...stores, ...stores].map((store) => outcome(store.claim(key, 60_000))));
      expect(outcomes.filter((one) => one === true)).toHaveLength(1);
      for (const one of outcomes) expect([true, false, 'ERR_STORE_CONFLICT']).toContain(one);
    }
  });

  it('refuses a connection that was left inside a transaction, which could take the claim back', async () => {
    const of = await pool({ max: 1 });
    const store = postgresReplayStore(of);
    await store.claim(freshKey(), 60_000);
    const client = await of.connect();
    await client.query('BEGIN');
    client.release();
    const key = freshKey();
    expect(await outcome(store.claim(key, 60_000))).toBe('ERR_STORE_CONFIGURATION');
    expect(await store.claim(key, 60_000)).toBe(true);
  });

  it('refuses a table that a crash empties, a view, and none', async () => {
    const of = await pool();
    await of.query('CREATE UNLOGGED TABLE forgetful (key text PRIMARY KEY, expires timestamptz NOT NULL)');
    await of.query('CREATE VIEW looks_like AS SELECT * FROM cvm_challenges');
    for (const table of ['public.forgetful', 'public.looks_like', 'public.nowhere']) {
      const store = postgresReplayStore(of, { table });
      expect(await outcome(store.claim(freshKey(), 60_000))).toBe('ERR_STORE_CONFIGURATION');
    }
  });

  it('refuses within its deadline when the row is locked, the pool is used up or the server is gone', async () => {
    const of = await pool({ max: 2 });
    const store = postgresReplayStore(of, { deadlineMs: 200 });
    const key = freshKey();
    await store.claim(key, 10);
    const holder = await (await pool()).connect();
    await holder.query('BEGIN');
    await holder.query(`SELECT 1 FROM cvm_challenges WHERE key = '${key}' FOR UPDATE`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const started = performance.now();
    expect(await outcome(store.claim(key, 60_000))).toBe('ERR_STORE_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(1_000);
    await holder.query('ROLLBACK');
    holder.release();
    const held = await Promise.all([of.connect(), of.connect()]);
    expect(await outcome(store.claim(freshKey(), 60_000))).toBe('ERR_STORE_TIMEOUT');
    for (const client of held) client.release();
    await until(async () => (await outcome(store.claim(freshKey(), 60_000))) === true);
  });

  it('remembers through a crash of the server', async () => {
    const store = postgresReplayStore(await pool());
    const key = freshKey();
    expect(await store.claim(key, 600_000)).toBe(true);
    await server.crash();
    expect(await outcome(store.claim(freshKey(), 60_000))).toMatch(/^ERR_STORE_(UNAVAILABLE|TIMEOUT)$/);
    await server.start();
    await until(async () => (await outcome(store.claim(freshKey(), 60_000))) === true);
    expect(await store.claim(key, 600_000)).toBe(false);
  });

  it('refuses a standby’s or a read-only session, and fsync off', async () => {
    const readOnly = postgresReplayStore(await pool({ options: '-c default_transaction_read_only=on' }));
    expect(await outcome(readOnly.claim(freshKey(), 60_000))).toBe('ERR_STORE_NOT_PRIMARY');
    await server.crash();
    await server.start('fsync=off');
    const reckless = postgresReplayStore(await pool());
    expect(await outcome(reckless.claim(freshKey(), 60_000))).toBe('ERR_STORE_CONFIGURATION');
  });

  it('takes a pool, and refuses a client, which may be inside a transaction', async () => {
    const client = await pgClient(server.host);
    expect(() => postgresReplayStore(client as never)).toThrow(expect.objectContaining({ code: 8 }));
    const of = await pool();
    for (const options of [{ table: 'x; DROP TABLE y' }, { table: undefined }, { tabel: 'x' }, { deadlineMs: 0 }]) {
      expect(() => postgresReplayStore(of, options as never)).toThrow(expect.objectContaining({ code: 8 }));
    }
  });
});
