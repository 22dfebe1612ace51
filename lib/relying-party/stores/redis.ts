import { integer } from '../../base/option-kinds.js';
import { checkOptions } from '../../base/options.js';
import { refuseChallenge } from '../refusals.js';
import { ClaimBatches, type WaitingClaim } from './claim-batches.js';
import { type RedisClient, type RedisCommand, type RedisConnection, redisConnection } from './redis-client.js';
import { infoMember, infoText, isDurable, readServerRun, type ServerRun } from './redis-info.js';
import {
  checkClaim,
  DEFAULT_TOLERANCE_MS,
  type ReplayStore,
  type TolerantStore,
  useTolerance,
} from './replay-store.js';
import { redisFailure } from './store-errors.js';

export interface RedisReplayStoreOptions {
  /** For how long one claim may take, in milliseconds. Default 2,000. */
  deadlineMs?: number;
  /** The largest difference of any two clocks, the server's included. Default: what the challenges that use the store say. */
  clockToleranceMs?: number;
  /**
   * How many replicas must acknowledge a claim: all that can be promoted. Without it a fail-over refuses every challenge
   * issued before this process noticed it, and one that it does not notice in time can let a replay through.
   */
  replicas?: number;
}

/** The server's settings are believed for this long: what an operator changes at run time is seen after it. */
const LOOK_INTERVAL_MS = 60_000;
/** `uptime_in_seconds` is the difference of two truncated clocks. */
const UPTIME_ERROR_MS = 1_000;

/** What was found out about the run of the server that answers. */
interface Look {
  readonly identity: string;
  readonly durable: boolean;
  /** When this process met this run, ms since the epoch. */
  readonly metAt: number;
  /** By the monotonic clock. */
  readonly lookedAt: number;
}

/**
 * Remembers in Redis or Valkey, by the caller's own client (package `redis` or `ioredis`). One primary, with or without
 * replicas; no cluster. Claims made at the same time share one `MULTI` of `SET key 1 NX PX ttl` each and of `INFO`, which
 * says which run of which server has taken them.
 *
 * **Fence.** A server that may have forgotten refuses challenges that were issued before it began to remember, with
 * `ERR_STORE_RESTARTED`: for `2 × clockToleranceMs + 1 s` (121 s by default) after a start, unless `appendonly yes`,
 * `appendfsync always` and `no-appendfsync-on-rewrite no` were all read, and after a fail-over.
 *
 * `maxmemory-policy` must be `noeviction` (`ERR_STORE_CONFIGURATION`). Nothing notices `FLUSHALL`: give the client a user
 * that may not call it.
 *
 * @throws {AttestationError} 8 for a client of a cluster or of another package, and for options out of range.
 */
export function redisReplayStore(client: RedisClient, options: RedisReplayStoreOptions = {}): ReplayStore {
  const checked = checkOptions<RedisReplayStoreOptions>('redisReplayStore', options, {
    deadlineMs: integer(1, 600_000),
    clockToleranceMs: integer(0, 3_600_000),
    replicas: integer(1, 100),
  });
  const store: TolerantStore = new RedisReplayStore(redisConnection(client), checked);
  return store;
}

class RedisReplayStore implements TolerantStore {
  readonly #shared: RedisConnection;
  readonly #deadlineMs: number;
  readonly #replicas: number;
  readonly #batches: ClaimBatches;
  #toleranceMs: number | undefined;
  #ownConnection: Promise<RedisConnection> | undefined;
  #look: Look | undefined;
  #looking: Promise<Look> | undefined;

  constructor(connection: RedisConnection, options: RedisReplayStoreOptions) {
    this.#shared = connection;
    this.#deadlineMs = options.deadlineMs ?? 2_000;
    this.#replicas = options.replicas ?? 0;
    this.#toleranceMs = options.clockToleranceMs;
    this.#batches = new ClaimBatches(this.#deadlineMs, this.#replicas > 0 ? 1 : Number.POSITIVE_INFINITY, (batch) =>
      this.#settle(batch),
    );
  }

  [useTolerance](clockToleranceMs: number): void {
    this.#toleranceMs = Math.max(this.#toleranceMs ?? 0, clockToleranceMs);
  }

  claim(key: string, ttlMs: number, issuedAt?: number): Promise<boolean> {
    checkClaim(key, ttlMs, issuedAt);
    return this.#batches.add(key, ttlMs, issuedAt);
  }

  /** Sends the claims of a batch and answers each. A rejection is the answer to all that have none. */
  async #settle(batch: readonly WaitingClaim[]): Promise<void> {
    try {
      await (this.#replicas > 0 ? this.#settleReplicated(batch) : this.#settleOn(this.#shared, batch));
    } catch (error) {
      throw redisFailure(error);
    }
  }

  async #settleOn(connection: RedisConnection, batch: readonly WaitingClaim[]): Promise<void> {
    const { replies, run } = await transact(connection, batch, []);
    await this.#answer(connection, batch, replies, run);
  }

  /** On a connection of its own, because `WAIT` holds up all that come after it. */
  async #settleReplicated(batch: readonly WaitingClaim[]): Promise<void> {
    this.#ownConnection ??= this.#shared.duplicate();
    let connection: RedisConnection;
    try {
      connection = await this.#ownConnection;
    } catch (error) {
      this.#ownConnection = undefined;
      throw error;
    }
    const { replies, run, extra } = await transact(connection, batch, [['CLIENT', 'ID']]);
    const acknowledged = await connection.command(['WAIT', String(this.#replicas), String(this.#deadlineMs)]);
    // On a connection that was made again meanwhile, WAIT knows of no claim and is content at once.
    const sameConnection = String(await connection.command(['CLIENT', 'ID'])) === String(extra[0]);
    if (!sameConnection) throw refuseChallenge('ERR_STORE_REPLICAS', 'the connection was lost');
    if (!(Number(acknowledged) >= this.#replicas)) {
      throw refuseChallenge('ERR_STORE_REPLICAS', `${Number(acknowledged)} of ${this.#replicas}`);
    }
    await this.#answer(connection, batch, replies, run);
  }

  async #answer(
    connection: RedisConnection,
    batch: readonly WaitingClaim[],
    replies: readonly unknown[],
    run: ServerRun,
  ): Promise<void> {
    if (!run.isPrimary) throw refuseChallenge('ERR_STORE_NOT_PRIMARY');
    const look = await this.#lookAt(connection, run);
    const remembersFrom = this.#remembersFrom(run, look);
    batch.forEach((claim, index) => {
      const reply = replies[index];
      if (reply instanceof Error) claim.reject(redisFailure(reply));
      else if (reply === null) claim.resolve(false);
      else if (String(reply) !== 'OK') claim.reject(refuseChallenge('ERR_STORE_UNAVAILABLE', 'SET was not answered'));
      else if (claim.issuedAt !== undefined && claim.issuedAt < remembersFrom) {
        claim.reject(refuseChallenge('ERR_STORE_RESTARTED'));
      } else claim.resolve(true);
    });
  }

  /** Claims of what was issued before this time may have been forgotten. */
  #remembersFrom(run: ServerRun, { durable, metAt }: Look): number {
    let lost = Number.NEGATIVE_INFINITY;
    if (!durable) lost = run.startedAt;
    // A replica that was promoted lacks what its primary had not sent, or was emptied with a primary that had lost all. Its
    // own uptime does not tell when.
    if (run.wasPromoted && !(durable && this.#replicas > 0)) lost = Math.max(lost, metAt);
    // `issuedAt` is a tolerance early already: 2 × clockToleranceMs after the start by the clock that issued.
    return lost + (this.#toleranceMs ?? DEFAULT_TOLERANCE_MS) + UPTIME_ERROR_MS;
  }

  /** What is known about this run, read again for another run and after a while. */
  #lookAt(connection: RedisConnection, run: ServerRun): Promise<Look> | Look {
    const known = this.#look;
    const isCurrent = known?.identity === run.identity && performance.now() - known.lookedAt < LOOK_INTERVAL_MS;
    if (isCurrent) return known;
    this.#looking ??= this.#lookAgain(connection, run).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking.then((look) => {
      if (look.identity !== run.identity) throw refuseChallenge('ERR_STORE_RESTARTED');
      return look;
    });
  }

  async #lookAgain(connection: RedisConnection, run: ServerRun): Promise<Look> {
    const durable = await isDurable(connection);
    const [memory, server, replication] = await connection.transaction([
      ['INFO', 'memory'],
      ['INFO', 'server'],
      ['INFO', 'replication'],
    ]);
    // The settings must be those of the server that has taken the claim.
    if (readServerRun(server, replication).identity !== run.identity) throw refuseChallenge('ERR_STORE_RESTARTED');
    const policy = infoMember(infoText(memory), 'maxmemory_policy');
    if (policy !== 'noeviction') {
      throw refuseChallenge('ERR_STORE_CONFIGURATION', `maxmemory-policy is ${policy ?? 'not readable'}`);
    }
    const metAt = this.#look?.identity === run.identity ? this.#look.metAt : Date.now();
    this.#look = { identity: run.identity, durable, metAt, lookedAt: performance.now() };
    return this.#look;
  }
}

/** The claims of a batch, and which run of the server has taken them. */
async function transact(
  connection: RedisConnection,
  batch: readonly WaitingClaim[],
  more: readonly RedisCommand[],
): Promise<{ replies: unknown[]; run: ServerRun; extra: unknown[] }> {
  const claims = batch.map(({ key, ttlMs }): RedisCommand => ['SET', key, '1', 'NX', 'PX', String(ttlMs)]);
  const commands = [...claims, ['INFO', 'server'], ['INFO', 'replication'], ...more];
  const replies = await connection.transaction(commands);
  if (replies.length !== commands.length) throw refuseChallenge('ERR_STORE_UNAVAILABLE', 'replies are missing');
  const [server, replication, ...extra] = replies.slice(claims.length);
  return { replies, run: readServerRun(server, replication), extra };
}
