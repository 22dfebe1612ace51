/**
 * Client packages of the tests against real servers. They are installed beside these tests only, so their types are told
 * here, as far as they are used.
 */
import type { IoRedisClient, NodeRedisClient, PostgresPool } from '../../lib/relying-party/index.js';

export interface NodeRedis extends NodeRedisClient {
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}

export interface IoRedis extends IoRedisClient {
  on(event: 'error', listener: () => void): unknown;
  disconnect(): void;
}

export interface Pool extends PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  connect(): Promise<{ query(text: string): Promise<unknown>; release(): void }>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): unknown;
}

// Names in variables: the compiler does not look for packages that only this folder has.
const load = (name: string): Promise<Record<string, unknown>> => import(/* @vite-ignore */ name);

export async function nodeRedis(path: string): Promise<NodeRedis> {
  const { createClient } = (await load('redis')) as { createClient(options: object): NodeRedis };
  const client = createClient({ socket: { path, reconnectStrategy: 20 } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function ioRedis(path: string): Promise<IoRedis> {
  const { Redis } = (await load('ioredis')) as { Redis: new (options: object) => IoRedis };
  const client = new Redis({ path, retryStrategy: () => 20 });
  client.on('error', () => {});
  return client;
}

export async function pgPool(host: string, options: object = {}): Promise<Pool> {
  const pg = (await load('pg')) as { default: { Pool: new (options: object) => Pool } };
  const pool = new pg.default.Pool({ host, user: 'postgres', database: 'postgres', max: 8, ...options });
  pool.on('error', () => {});
  return pool;
}

export async function pgClient(host: string): Promise<{ connect(): Promise<void>; end(): Promise<void> }> {
  const pg = (await load('pg')) as { default: { Client: new (options: object) => never } };
  return new pg.default.Client({ host, user: 'postgres', database: 'postgres' });
}

export const loadExpress = async (): Promise<() => ExpressApplication> =>
  (await load('express')).default as () => ExpressApplication;

export const loadFastify = async (): Promise<() => FastifyApplication> =>
  (await load('fastify')).default as () => FastifyApplication;

export interface ExpressApplication {
  (request: unknown, response: unknown): void;
  use(...handlers: unknown[]): unknown;
  get(path: string, ...handlers: unknown[]): unknown;
  post(path: string, ...handlers: unknown[]): unknown;
  set(name: string, value: unknown): unknown;
}

export interface InjectedAnswer {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  json(): unknown;
}

export interface FastifyApplication {
  register(plugin: unknown, options?: object): FastifyApplication;
  addHook(name: string, hook: unknown): FastifyApplication;
  get(path: string, ...rest: unknown[]): FastifyApplication;
  post(path: string, ...rest: unknown[]): FastifyApplication;
  inject(request: object): Promise<InjectedAnswer>;
  ready(): Promise<unknown>;
  close(): Promise<void>;
}
