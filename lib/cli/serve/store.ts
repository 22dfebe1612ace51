import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { answerWithin, untilAborted } from '../../base/abort.js';
import {
  memoryReplayStore,
  type PostgresPool,
  postgresReplayStore,
  type RedisClient,
  type ReplayStore,
  redisReplayStore,
} from '../../relying-party/index.js';
import { CliError, UsageError } from '../exit.js';

export interface StoreArguments {
  redis?: string;
  postgres?: string;
}

/** A replay store, and what closes its connection. */
export interface OpenStore {
  store: ReplayStore;
  close(): Promise<void>;
}

type ConnectingRedis = RedisClient & {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
};

interface NodeRedisModule {
  createClient(options: { url: string; socket: object }): ConnectingRedis;
}

interface PgModule {
  default: { Pool: new (options: { connectionString: string; max: number }) => PostgresPool & PgPoolEvents };
}

interface PgPoolEvents {
  on(event: 'error', listener: () => void): unknown;
  end(): Promise<void>;
}

/** The client tries again for as long as it is let. */
const CONNECT_MS = 10_000;
/** What is tried when the command ends holds its end up no longer than this. */
const SOCKET = { connectTimeout: 3_000, reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1_000) };

/** The store that the options name; memory of this process without one. */
export async function openStore({ redis, postgres }: StoreArguments, signal: AbortSignal): Promise<OpenStore> {
  if (redis !== undefined && postgres !== undefined) throw new UsageError('give --redis or --postgres, not both');
  if (redis !== undefined) {
    const { createClient } = (await clientPackage('redis')) as NodeRedisModule;
    const client = createClient({ url: redis, socket: { ...SOCKET } });
    await connect(client, signal);
    return { store: redisReplayStore(client), close: async () => client.destroy() };
  }
  if (postgres !== undefined) {
    const { default: pg } = (await clientPackage('pg')) as PgModule;
    const pool = new pg.Pool({ connectionString: postgres, max: 8 });
    pool.on('error', () => {});
    return { store: postgresReplayStore(pool), close: () => pool.end() };
  }
  return { store: memoryReplayStore({ fence: true }), close: async () => {} };
}

async function connect(client: ConnectingRedis, signal: AbortSignal): Promise<void> {
  let last: unknown;
  client.on('error', (error) => {
    last = error;
  });
  try {
    await answerWithin(CONNECT_MS, untilAborted(client.connect(), signal));
  } catch (error) {
    try {
      client.destroy();
    } catch {
      // It was closed already.
    }
    if (signal.aborted) throw error;
    throw new CliError('ERR_STORE_UNAVAILABLE', `Redis cannot be used: ${reasonOf(last)}`);
  }
}

/** A code, or the first word of what the server said: messages may quote the URL, which may hold a password. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `no answer within ${CONNECT_MS / 1_000} s`;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] ?? (error.constructor.name || error.name);
}

/** A client package beside this one, or in the folder that the command runs in. */
async function clientPackage(name: string): Promise<unknown> {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return await import(pathToFileURL(createRequire(from).resolve(name)).href);
    } catch {
      // The next place may have it.
    }
  }
  throw new CliError('ERR_PACKAGE_MISSING', `the package ${name} is needed: npm install ${name}`);
}
