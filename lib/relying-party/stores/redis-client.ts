import { invalid, readArguments } from '../../base/options.js';

/** A reply as client libraries hand it over; an Error in place of one that the server refused. */
export type RedisReply = unknown;
/** The client may keep it: nobody else uses it again. */
export type RedisCommand = string[];

/** What is needed of a Redis client, whichever library it is of. */
export interface RedisConnection {
  /** One `MULTI … EXEC`: a reply for each command. Rejects when it was not executed. */
  transaction(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  command(command: RedisCommand): Promise<RedisReply>;
  /** A connection of its own to the same server. It ends with the caller's client, and `onEnd` is called then. */
  duplicate(onEnd: () => void): Promise<RedisConnection>;
}

/** A client of the package `redis` (node-redis), as far as it is used. */
export interface NodeRedisClient {
  multi(): unknown;
  sendCommand(command: string[]): Promise<unknown>;
  duplicate(): unknown;
}

/** A client of the package `ioredis`, as far as it is used. */
export interface IoRedisClient {
  multi(): unknown;
  call(command: string, ...parameters: string[]): Promise<unknown>;
  duplicate(): unknown;
}

/** The caller's own Redis or Valkey client, connected or connecting: of `redis` (node-redis) or `ioredis`. */
export type RedisClient = NodeRedisClient | IoRedisClient;

interface NodeRedisMulti {
  addCommand(command: string[]): NodeRedisMulti;
  exec(): Promise<unknown[]>;
}

interface IoRedisMulti {
  call(command: string, ...parameters: string[]): IoRedisMulti;
  exec(): Promise<[Error | null, unknown][] | null>;
}

interface Duplicate {
  on(event: 'error', listener: () => void): unknown;
  once(event: 'end', listener: () => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  /** Of `redis`: false before it connects and after it was closed. */
  readonly isOpen?: boolean;
  /** Of `ioredis`: `end` after it was closed. */
  readonly status?: string;
  connect?(): Promise<unknown>;
  destroy?(): void;
  disconnect?(): unknown;
}

/**
 * Takes the caller's client. Clients of a cluster are refused: its shards have no common order of claims.
 *
 * @throws {AttestationError} 8
 */
export function redisConnection(client: RedisClient): RedisConnection {
  return readArguments('the Redis client', () => connectionOf(client));
}

function connectionOf(client: RedisClient): RedisConnection {
  if (typeof client !== 'object' || client === null || typeof client.multi !== 'function') {
    throw invalid('the client must be one of the packages redis or ioredis');
  }
  if ('isCluster' in client && client.isCluster === true) throw invalid('a cluster is not supported: one primary is');
  if ('slots' in client && 'masters' in client) throw invalid('a cluster is not supported: one primary is');
  if ('call' in client && typeof client.call === 'function') return new IoRedisConnection(client);
  if ('sendCommand' in client && typeof client.sendCommand === 'function') return new NodeRedisConnection(client);
  throw invalid('the client must be one of the packages redis or ioredis');
}

class NodeRedisConnection implements RedisConnection {
  readonly #client: NodeRedisClient;

  constructor(client: NodeRedisClient) {
    this.#client = client;
  }

  async transaction(commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    let multi = this.#client.multi() as NodeRedisMulti;
    for (const command of commands) multi = multi.addCommand(command);
    try {
      return await multi.exec();
    } catch (error) {
      // Executed, with a refusal among the replies.
      const { replies } = error as { replies?: unknown };
      if (Array.isArray(replies)) return replies;
      throw error;
    }
  }

  command(command: RedisCommand): Promise<RedisReply> {
    return this.#client.sendCommand(command);
  }

  async duplicate(onEnd: () => void): Promise<RedisConnection> {
    const client = this.#client as NodeRedisClient & Duplicate;
    return new NodeRedisConnection(await copyOf(client, onEnd, (copy) => copy.connect?.()));
  }
}

class IoRedisConnection implements RedisConnection {
  readonly #client: IoRedisClient;

  constructor(client: IoRedisClient) {
    this.#client = client;
  }

  async transaction(commands: readonly RedisCommand[]): Promise<RedisReply[]> {
    let multi = this.#client.multi() as IoRedisMulti;
    for (const [name = '', ...parameters] of commands) multi = multi.call(name, ...parameters);
    let replies: [Error | null, unknown][] | null;
    try {
      replies = await multi.exec();
    } catch (error) {
      // The reason stands in the command that the server did not queue.
      const { previousErrors } = error as { previousErrors?: unknown };
      throw Array.isArray(previousErrors) && previousErrors.length > 0 ? previousErrors[0] : error;
    }
    if (replies === null) throw new Error('the transaction was not executed');
    return replies.map(([error, reply]) => error ?? reply);
  }

  command([name = '', ...parameters]: RedisCommand): Promise<RedisReply> {
    return this.#client.call(name, ...parameters);
  }

  async duplicate(onEnd: () => void): Promise<RedisConnection> {
    const client = this.#client as IoRedisClient & Duplicate;
    // It connects by itself.
    return new IoRedisConnection(await copyOf(client, onEnd, async () => {}));
  }
}

/** Nobody but the store knows of the copy: it must not outlive the client that the caller closes. */
async function copyOf<Client extends RedisClient & Duplicate>(
  client: Client,
  onEnd: () => void,
  connect: (copy: Client) => Promise<unknown> | undefined,
): Promise<Client> {
  if (client.isOpen === false || client.status === 'end') throw new Error('the client is closed');
  const copy = client.duplicate() as Client;
  copy.on('error', ignore);
  const end = (): void => {
    client.off('end', end);
    close(copy);
    onEnd();
  };
  client.once('end', end);
  try {
    await connect(copy);
  } catch (error) {
    end();
    throw error;
  }
  return copy;
}

function close(copy: Duplicate): void {
  try {
    if (copy.destroy !== undefined) copy.destroy();
    else copy.disconnect?.();
  } catch {
    // It was closed already.
  }
}

// A lost connection shows in the commands that fail; without a listener it would end the process.
const ignore = (): void => {};
