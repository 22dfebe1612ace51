import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createChallenges, type RedisClient, redisReplayStore } from '../../lib/relying-party/index.js';
import { ioRedis, nodeRedis } from './packages.js';
import { DURABLE, RedisServer } from './redis-server.js';
import { freshKey, outcome, until } from './refusal.js';

interface ConnectedClient {
  client: RedisClient;
  close(): void;
}

const CLIENTS: [string, (path: string) => Promise<ConnectedClient>][] = [
  [
    'redis',
    async (path) => {
      const client = await nodeRedis(path);
      return { client, close: () => client.destroy() };
    },
  ],
  [
    'ioredis',
    async (path) => {
      const client = await ioRedis(path);
      return { client, close: () => client.disconnect() };
    },
  ],
];

const secret = Buffer.alloc(32, 5);
const HOUR = 3_600_000;
/** A time of issue that no fence reaches. */
const later = (): number => Date.now() + HOUR;

const replicationId = async (of: RedisServer): Promise<string> =>
  /master_replid:(\w+)/.exec(await of.cli('INFO', 'replication'))?.[1] ?? '';

describe.each(CLIENTS)('redisReplayStore with a client of the package %s', (_, connect) => {
  const servers: RedisServer[] = [];
  const clients: ConnectedClient[] = [];
  let durable: RedisServer;

  const server = async (...settings: string[]): Promise<RedisServer> => {
    const started = new RedisServer(...settings);
    servers.push(started);
    return started.start();
  };
  const client = async (of: RedisServer): Promise<RedisClient> => {
    const connected = await connect(of.path);
    clients.push(connected);
    return connected.client;
  };

  beforeAll(async () => {
    durable = await server(...DURABLE);
  });
  afterEach(() => {
    for (const { close } of clients.splice(0)) close();
  });
  afterAll(async () => {
    for (const one of servers) await one.remove();
  });

  it('lets one of many claims of a key win, over several connections', async () => {
    const stores = await Promise.all([1, 2, 3, 4].map(async () => redisReplayStore(await client(durable))));
    for (let round = 0; round < 200; round++) {
      const key = freshKey();
      const wins = await Promise.all([...stores, ...stores].map((store) => store.claim(key, 60_000, Date.now())));
      expect(wins.filter((won) => won)).toHaveLength(1);
    }
  });

  it('redeems a challenge once among replicas', async () => {
    const replicas = await Promise.all(
      [1, 2].map(async () => createChallenges({ secret, store: redisReplayStore(await client(durable)) })),
    );
    const challenge = replicas[0]?.issue('pop-v1') as string;
    await replicas[1]?.redeem(challenge, 'pop-v1');
    expect(await outcome(replicas[0]?.redeem(challenge, 'pop-v1') as Promise<void>)).toBe('ERR_CHALLENGE_USED');
  });

  it('gives the entry the time to live that it is told', async () => {
    const key = freshKey();
    await redisReplayStore(await client(durable)).claim(key, 420_000);
    const left = Number(await durable.cli('PTTL', key));
    expect(left).toBeGreaterThan(400_000);
    expect(left).toBeLessThanOrEqual(420_000);
  });

  it('has no fence where every claim is on disk before it is answered', async () => {
    expect(await redisReplayStore(await client(durable)).claim(freshKey(), 60_000, Date.now() - HOUR)).toBe(true);
  });

  it('remembers through a crash where every claim is on disk', async () => {
    const crashed = await server(...DURABLE);
    const store = redisReplayStore(await client(crashed));
    const key = freshKey();
    expect(await store.claim(key, 600_000, Date.now())).toBe(true);
    await crashed.crash();
    expect(await outcome(store.claim(freshKey(), 60_000, Date.now()))).toMatch(/^ERR_STORE_(UNAVAILABLE|TIMEOUT)$/);
    await crashed.start();
    await until(async () => (await outcome(store.claim(freshKey(), 60_000, Date.now()))) === true);
    expect(await store.claim(key, 600_000, Date.now())).toBe(false);
  });

  it.each([
    ['Debian’s default configuration', []],
    ['appendfsync everysec', ['--appendonly', 'yes']],
    ['no fsync while the log is rewritten', [...DURABLE, '--no-appendfsync-on-rewrite', 'yes']],
    ['CONFIG refused, as by a managed service', [...DURABLE, '--rename-command', 'CONFIG', '']],
  ])('refuses what was issued before 121 s after the start, with %s', async (__, settings) => {
    const forgetful = await server(...settings);
    const started = Date.now();
    const store = redisReplayStore(await client(forgetful));
    createChallenges({ secret, store, clockToleranceMs: 60_000 });
    // As challenges compute it: a tolerance before the issue.
    expect(await outcome(store.claim(freshKey(), 60_000, started + 55_000))).toBe('ERR_STORE_RESTARTED');
    expect(await store.claim(freshKey(), 60_000, started + 64_000)).toBe(true);
    expect(await store.claim(freshKey(), 60_000)).toBe(true);
  });

  it('puts up its fence again when the server was started again behind its back', async () => {
    const forgetful = await server('--save', '');
    const store = redisReplayStore(await client(forgetful), { clockToleranceMs: 0 });
    const challenges = createChallenges({ secret, store, clockToleranceMs: 0 });
    // The server tells its uptime to the second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const challenge = challenges.issue();
    await challenges.redeem(challenge);
    await forgetful.crash();
    await forgetful.start();
    expect(await forgetful.cli('DBSIZE')).toBe('0');
    const codes: unknown[] = [];
    await until(async () => {
      codes.push(await outcome(challenges.redeem(challenge)));
      return codes.at(-1) === 'ERR_STORE_RESTARTED' || codes.at(-1) === undefined;
    });
    expect(codes.at(-1)).toBe('ERR_STORE_RESTARTED');
  });

  it.each([
    ['a snapshot that was made while a replica was attached', ['--save', '3600 1'], ['SAVE']],
    ['a snapshot, with a log that is not written to disk at once', ['--appendonly', 'yes', '--appendfsync', 'no'], []],
  ])('refuses what it had claimed before a crash, after a restart from %s', async (__, settings, snapshot) => {
    const port = String(20_000 + Math.floor(Math.random() * 20_000));
    const primary = await server(...settings, '--port', port, '--bind', '127.0.0.1');
    const replica = await server('--replicaof', `127.0.0.1 ${port}`);
    await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'));
    const store = redisReplayStore(await client(primary), { clockToleranceMs: 0 });
    // The server tells its uptime to the second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await store.claim(freshKey(), 60_000, Date.now())).toBe(true);
    if (snapshot.length > 0) await primary.cli(...snapshot);
    const key = freshKey();
    const issuedAt = Date.now();
    expect(await store.claim(key, 600_000, issuedAt)).toBe(true);
    const before = await replicationId(primary);
    await primary.crash();
    await primary.start();
    // What a primary remembers of its last run is not what it calls itself.
    expect(await replicationId(primary)).not.toBe(before);
    const codes: unknown[] = [];
    await until(async () => {
      codes.push(await outcome(store.claim(key, 600_000, issuedAt)));
      return !/^ERR_STORE_(UNAVAILABLE|TIMEOUT)$/.test(String(codes.at(-1)));
    });
    expect([false, 'ERR_STORE_RESTARTED']).toContain(codes.at(-1));
    expect(await outcome(store.claim(freshKey(), 600_000, issuedAt))).toBe('ERR_STORE_RESTARTED');
  });

  it('asks one INFO for each claim once it knows the server, and two of one that hides its settings', async () => {
    const infos = async (of: RedisServer): Promise<number> =>
      Number(/cmdstat_info:calls=(\d+)/.exec(await of.cli('INFO', 'commandstats'))?.[1] ?? 0);
    const hidden = await server('--rename-command', 'CONFIG', '');
    for (const [of, expected] of [
      [durable, 1],
      [hidden, 2],
    ] as const) {
      const store = redisReplayStore(await client(of));
      await store.claim(freshKey(), 60_000, later());
      const before = await infos(of);
      for (let claim = 0; claim < 10; claim++) await store.claim(freshKey(), 60_000, later());
      // The looking itself is one more.
      expect((await infos(of)) - before - 1).toBe(10 * expected);
    }
  });

  it.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])('refuses a server that evicts: %s', async (policy) => {
    const evicting = await server(...DURABLE, '--maxmemory-policy', policy);
    const store = redisReplayStore(await client(evicting));
    expect(await outcome(store.claim(freshKey(), 60_000, later()))).toBe('ERR_STORE_CONFIGURATION');
  });

  it('refuses when the server is full', async () => {
    const full = await server(...DURABLE, '--maxmemory', '1mb');
    const store = redisReplayStore(await client(full));
    expect(await outcome(store.claim(freshKey(), 60_000, later()))).toBe('ERR_STORE_FULL');
  });

  it('refuses within its deadline when the server does not answer, and goes on when it does again', async () => {
    const slow = await server(...DURABLE);
    const store = redisReplayStore(await client(slow), { deadlineMs: 200 });
    expect(await store.claim(freshKey(), 60_000, Date.now())).toBe(true);
    slow.pause();
    const started = performance.now();
    expect(await outcome(store.claim(freshKey(), 60_000, Date.now()))).toBe('ERR_STORE_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(1_000);
    slow.resume();
    await until(async () => (await outcome(store.claim(freshKey(), 60_000, Date.now()))) === true);
  });

  it('refuses at once when ten thousand claims wait for a server that is away', async () => {
    const away = await server(...DURABLE);
    const store = redisReplayStore(await client(away), { deadlineMs: 2_000 });
    await store.claim(freshKey(), 60_000);
    await new Promise(setImmediate);
    away.pause();
    const waiting = Array.from({ length: 10_000 }, () => outcome(store.claim(freshKey(), 60_000)));
    const started = performance.now();
    expect(await outcome(store.claim(freshKey(), 60_000))).toBe('ERR_STORE_UNAVAILABLE');
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['ERR_STORE_TIMEOUT']));
    away.resume();
  });

  it('refuses a replica, also one that takes writes', async () => {
    const replica = await server(...DURABLE, '--replicaof', '127.0.0.1 1');
    const store = redisReplayStore(await client(replica));
    expect(await outcome(store.claim(freshKey(), 60_000, later()))).toBe('ERR_STORE_NOT_PRIMARY');
    await replica.cli('CONFIG', 'SET', 'replica-read-only', 'no');
    expect(await outcome(store.claim(freshKey(), 60_000, later()))).toBe('ERR_STORE_NOT_PRIMARY');
  });

  it('refuses, after a replica was promoted, what was issued before it noticed', async () => {
    const promoted = await server('--replicaof', '127.0.0.1 1');
    await promoted.cli('REPLICAOF', 'NO', 'ONE');
    const store = redisReplayStore(await client(promoted), { clockToleranceMs: 1_000 });
    const met = Date.now();
    expect(await outcome(store.claim(freshKey(), 60_000, met))).toBe('ERR_STORE_RESTARTED');
    expect(await store.claim(freshKey(), 60_000, met + 5_000)).toBe(true);
    // Demoted, filled by someone else, and promoted again: the run is the same, its memory is not.
    await promoted.cli('REPLICAOF', '127.0.0.1', '1');
    await promoted.cli('REPLICAOF', 'NO', 'ONE');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const again = Date.now();
    expect(await outcome(store.claim(freshKey(), 60_000, again + 1_000))).toBe('ERR_STORE_RESTARTED');
  });
});

describe.each(CLIENTS)('redisReplayStore that waits for replicas, with a client of the package %s', (_, connect) => {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const primary = new RedisServer(...DURABLE, '--port', String(port), '--bind', '127.0.0.1');
  const replica = new RedisServer(...DURABLE, '--replicaof', `127.0.0.1 ${port}`);
  let connected: ConnectedClient;

  beforeAll(async () => {
    await primary.start();
    await replica.start();
    await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'));
    connected = await connect(primary.path);
  });
  afterAll(async () => {
    connected.close();
    await primary.remove();
    await replica.remove();
  });

  it('counts a claim once the replica has it, and refuses while it has not', async () => {
    const store = redisReplayStore(connected.client, { replicas: 1, deadlineMs: 1_000 });
    const keys = Array.from({ length: 50 }, freshKey);
    const wins = await Promise.all(keys.map((key) => store.claim(key, 60_000, later())));
    expect(wins.every((won) => won)).toBe(true);
    expect(await replica.cli('EXISTS', ...keys)).toBe('50');
    expect(await store.claim(keys[0] as string, 60_000, later())).toBe(false);
    replica.pause();
    for (let turn = 0; turn < 3; turn++) {
      const started = performance.now();
      const claims = Array.from({ length: 3 }, async (__, index) => {
        await new Promise((resolve) => setTimeout(resolve, index * 100));
        return outcome(store.claim(freshKey(), 60_000, later()));
      });
      expect(new Set(await Promise.all(claims))).toEqual(new Set(['ERR_STORE_REPLICAS']));
      expect(performance.now() - started).toBeLessThan(1_500);
    }
    replica.resume();
    await until(async () => (await outcome(store.claim(freshKey(), 60_000, later()))) === true);
    const two = redisReplayStore(connected.client, { replicas: 2, deadlineMs: 500 });
    expect(await outcome(two.claim(freshKey(), 60_000, later()))).toBe('ERR_STORE_REPLICAS');
  });
});

describe('redisReplayStore', () => {
  // In a process of its own: whether it ends is the question.
  it.each(['redis', 'ioredis'])('ends with a client of the package %s that its owner closes', async (name) => {
    const server = await new RedisServer().start();
    const script = fileURLToPath(new URL('ends-with-client.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, name, server.path], { timeout: 20_000 });
    expect(stdout.trim().split('\n')).toEqual(['ERR_STORE_REPLICAS', 'ERR_STORE_UNAVAILABLE']);
    await server.remove();
  });

  it.each([
    ['nothing', undefined],
    ['a URL', 'redis://localhost'],
    ['an object without commands', {}],
    ['a cluster of ioredis', { isCluster: true, multi: () => {}, call: () => {} }],
    ['a cluster of redis', { slots: [], masters: [], multi: () => {}, sendCommand: () => {} }],
  ])('is not made with %s', (_, client) => {
    expect(() => redisReplayStore(client as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
