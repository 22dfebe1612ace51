import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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

interface NodeRedisModule {
  createClient(options: { url: string }): RedisClient & {
    on(event: 'error', listener: () => void): unknown;
    connect(): Promise<unknown>;
    destroy(): void;
  };
}

interface PgModule {
  default: { Pool: new (options: { connectionString: string; max: number }) => PostgresPool & PgPoolEvents };
}

interface PgPoolEvents {
  on(event: 'error', listener: () => void): unknown;
  end(): Promise<void>;
}

/** The store that the options name; memory of this process without one. */
export async function openStore({ redis, postgres }: StoreArguments): Promise<OpenStore> {
  if (redis !== undefined && postgres !== undefined) throw new UsageError('give --redis or --postgres, not both');
  if (redis !== undefined) {
    const { createClient } = (await clientPackage('redis')) as NodeRedisModule;
    const client = createClient({ url: redis });
    client.on('error', () => {});
    await client.connect();
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
