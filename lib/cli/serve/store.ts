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
import { readText } from '../input/files.js';

export interface StoreArguments {
  redis?: string;
  redisFile?: string;
  postgres?: string;
  postgresFile?: string;
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

const MAXIMUM_URL = 4096;

/** @throws {UsageError} when the options name more than one store. */
export function requireOneStore({ redis, redisFile, postgres, postgresFile }: StoreArguments): void {
  const given = [redis, redisFile, postgres, postgresFile].filter((value) => value !== undefined);
  if (given.length > 1) throw new UsageError('give one of --redis, --redis-file, --postgres and --postgres-file');
}

/** The store that the options name; memory of this process without one. */
export async function openStore(options: StoreArguments, signal: AbortSignal): Promise<OpenStore> {
  const redis = await urlOf(options.redis, options.redisFile);
  if (redis !== undefined) {
    const client = makeClient((await clientPackage('redis')) as NodeRedisModule, redis);
    await connect(client, signal);
    return { store: redisReplayStore(client), close: async () => client.destroy() };
  }
  const postgres = await urlOf(options.postgres, options.postgresFile);
  if (postgres !== undefined) {
    const { default: pg } = (await clientPackage('pg')) as PgModule;
    const pool = new pg.Pool({ connectionString: postgres, max: 8 });
    pool.on('error', () => {});
    return { store: postgresReplayStore(pool), close: () => pool.end() };
  }
  return { store: memoryReplayStore({ fence: true }), close: async () => {} };
}

/** A URL may hold a password, which every user of the machine sees on a command line. */
async function urlOf(url: string | undefined, file: string | undefined): Promise<string | undefined> {
  const text = file === undefined ? url : (await readText(file, MAXIMUM_URL)).trim();
  if (text === '') throw new UsageError('the URL of the store is empty');
  return text;
}

function makeClient({ createClient }: NodeRedisModule, url: string): ConnectingRedis {
  try {
    return createClient({ url, socket: { ...SOCKET } });
  } catch {
    // The error may quote the URL.
    throw new UsageError(
      'Redis is named by a URL such as redis://host:6379, rediss://user:password@host or unix:/path',
    );
  }
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
