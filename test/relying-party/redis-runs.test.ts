import { beforeEach, describe, expect, it } from 'vitest';
import { type RedisClient, redisReplayStore } from '../../lib/relying-party/index.js';

const HOUR = 3_600_000;

/** What a server says of itself; a restart changes it. */
interface Said {
  server: Record<string, string>;
  replication: Record<string, string>;
  config: Record<string, string> | undefined;
}

const id = (digit: string): string => digit.repeat(40);
const section = (members: Record<string, string>): string =>
  `# Section\r\n${Object.entries(members)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('')}`;

/** A stand-in for a server that remembers nothing, behind a client with the interface of the package redis. */
function standIn(said: Said): { client: RedisClient; asked: string[][] } {
  const asked: string[][] = [];
  const reply = (command: string[]): unknown => {
    asked.push(command);
    if (command[0] === 'SET') return 'OK';
    if (command[0] === 'CONFIG') {
      if (said.config === undefined) throw new Error('ERR unknown command CONFIG');
      return [command[2], said.config[command[2] as string]];
    }
    if (command[1] === 'server') return section(said.server);
    if (command[1] === 'replication') return section(said.replication);
    return section({ maxmemory_policy: 'noeviction' });
  };
  const multi = () => {
    const commands: string[][] = [];
    const queue = {
      addCommand: (command: string[]) => {
        commands.push(command);
        return queue;
      },
      exec: async () => commands.map(reply),
    };
    return queue;
  };
  return { client: { multi, sendCommand: async (command) => reply(command), duplicate: () => {} }, asked };
}

describe('redisReplayStore tells runs of a server apart', () => {
  let said: Said;

  beforeEach(() => {
    said = {
      server: { redis_version: '7.0.15', gcc_version: '12.2.0', run_id: id('a'), uptime_in_seconds: '100000' },
      replication: { role: 'master', master_replid: id('b'), second_repl_offset: '-1' },
      config: { appendonly: 'no', appendfsync: 'everysec', 'no-appendfsync-on-rewrite': 'no' },
    };
  });

  const claim = async (store: ReturnType<typeof redisReplayStore>, key: string): Promise<unknown> =>
    store.claim(`challenge:${key}`, 60_000, Date.now() - HOUR).catch(({ code }) => code);

  it('by the replication ID alone, which a primary draws when it starts', async () => {
    const { client, asked } = standIn(said);
    const store = redisReplayStore(client);
    expect(await claim(store, '1')).toBe(true);
    asked.splice(0);
    expect(await claim(store, '2')).toBe(true);
    expect(asked).toEqual([
      ['SET', 'challenge:2', '1', 'NX', 'PX', '60000'],
      ['INFO', 'replication'],
    ]);
    Object.assign(said.server, { run_id: id('c'), uptime_in_seconds: '1' });
    said.replication.master_replid = id('d');
    expect(await claim(store, '3')).toBe('ERR_STORE_RESTARTED');
  });

  it.each([
    ['Redis 4, which takes the ID from its snapshot', { redis_version: '4.0.14' }],
    ['another implementation', { redis_version: '7.4.0', dragonfly_version: 'df-v1.30.0' }],
    ['a server of no version', { redis_version: 'unknown' }],
    ['a server that hides its settings', {}],
  ])('by INFO server too: %s', async (name, server) => {
    Object.assign(said.server, server);
    if (name.includes('hides')) said.config = undefined;
    const { client } = standIn(said);
    const store = redisReplayStore(client);
    expect(await claim(store, '1')).toBe(true);
    expect(await claim(store, '2')).toBe(true);
    // Started anew, with the replication ID that it had.
    Object.assign(said.server, { run_id: id('c'), uptime_in_seconds: '1' });
    expect(await claim(store, '3')).toBe('ERR_STORE_RESTARTED');
  });

  it('refuses a claim that was taken by a server whose replication ID does not tell, in the place of one whose does', async () => {
    const { client } = standIn(said);
    const store = redisReplayStore(client);
    expect(await claim(store, '1')).toBe(true);
    said.server = { ...said.server, redis_version: '4.0.14', run_id: id('c') };
    said.replication.master_replid = id('d');
    expect(await claim(store, '2')).toBe('ERR_STORE_RESTARTED');
    expect(await claim(store, '3')).toBe(true);
  });

  it.each([
    ['no role', { role: undefined }],
    ['no replication ID', { master_replid: undefined }],
    ['a replication ID of another form', { master_replid: 'b'.repeat(39) }],
  ])('refuses a server whose INFO has %s', async (_, replication) => {
    Object.assign(said.replication, replication);
    for (const [member, value] of Object.entries(replication)) if (value === undefined) delete said.replication[member];
    expect(await claim(redisReplayStore(standIn(said).client), '1')).toBe('ERR_STORE_CONFIGURATION');
  });
});
