import { integer } from '../../base/option-kinds.js';
import { checkOptions } from '../../base/options.js';
import { refuseChallenge } from '../refusals.js';
import { ClaimBatches, type WaitingClaim } from './claim-batches.js';
import {
  type RedisClient,
  type RedisCommand,
  type RedisConnection,
  type RedisReply,
  redisConnection,
} from './redis-client.js';
import {
  infoMember,
  infoText,
  type Reign,
  ReignReader,
  readDurability,
  readReign,
  readRunId,
  readServerRun,
  type ServerRun,
} from './redis-info.js';
import {
  answersWithin,
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
/** Of the deadline, for what comes after `WAIT`. */
const LONGEST_MARGIN_MS = 100;
/** `uptime_in_seconds` is the difference of two truncated clocks. */
const UPTIME_ERROR_MS = 1_000;

/** What was found out about a server, which is good for one reign of one run of it. */
interface Look extends ServerRun {
  readonly replicationId: string;
  readonly durable: boolean;
  /** When this process met this reign, ms since the epoch. */
  readonly metAt: number;
  /** By the monotonic clock. */
  readonly lookedAt: number;
}

/**
 * Remembers in Redis or Valkey, by the caller's own client (package `redis` or `ioredis`). One primary, with or without
 * replicas; no cluster. Claims made at the same time share one `MULTI` of `SET key 1 NX PX ttl` each and of `INFO`, which
 * says who has taken them. Of Redis 5 and newer and of Valkey, whose settings can be read, `INFO replication` is enough: a
 * primary draws a new replication ID when it starts and when it is promoted. Of any other, `INFO server` is asked too.
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
  readonly [answersWithin]: number;
  readonly #replicas: number;
  readonly #batches: ClaimBatches;
  #toleranceMs: number | undefined;
  #ownConnection: Promise<RedisConnection> | undefined;
  readonly #reigns = new ReignReader();
  #look: Look | undefined;
  #looking: Promise<Look> | undefined;

  constructor(connection: RedisConnection, options: RedisReplayStoreOptions) {
    this.#shared = connection;
    this[answersWithin] = options.deadlineMs ?? 2_000;
    this.#replicas = options.replicas ?? 0;
    this.#toleranceMs = options.clockToleranceMs;
    this.#batches = new ClaimBatches(this[answersWithin], this.#replicas > 0 ? 1 : Number.POSITIVE_INFINITY, (batch) =>
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
      const connection = this.#replicas > 0 ? await this.#own() : this.#shared;
      const asksRun = this.#look?.drawsReplicationIds !== true;
      const commands = this.#commands(batch, asksRun);
      const expected = commands.length;
      const replies = await connection.transaction(commands);
      if (replies.length !== expected) throw refuseChallenge('ERR_STORE_UNAVAILABLE', 'replies are missing');
      const reign = this.#reigns.read(replies[batch.length]);
      const runId = asksRun ? readRunId(replies[batch.length + 1]) : undefined;
      if (this.#replicas > 0) await this.#awaitReplicas(connection, replies.at(-1), batch);
      if (!reign.isPrimary) throw refuseChallenge('ERR_STORE_NOT_PRIMARY');
      const known = this.#look;
      const look = isOf(known, reign, runId) && isFresh(known) ? known : await this.#lookAt(connection, reign, runId);
      answerAll(batch, replies, this.#remembersFrom(reign, look));
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /** The claims of a batch, and who has taken them. */
  #commands(batch: readonly WaitingClaim[], asksRun: boolean): RedisCommand[] {
    const commands: RedisCommand[] = batch.map(({ key, ttlMs }) => ['SET', key, '1', 'NX', 'PX', String(ttlMs)]);
    commands.push(['INFO', 'replication']);
    if (asksRun) commands.push(['INFO', 'server']);
    if (this.#replicas > 0) commands.push(['CLIENT', 'ID']);
    return commands;
  }

  /** A connection of its own, because `WAIT` holds up all that come after it. */
  async #own(): Promise<RedisConnection> {
    if (this.#ownConnection === undefined) {
      const made = this.#shared.duplicate(() => {
        if (this.#ownConnection === made) this.#ownConnection = undefined;
      });
      this.#ownConnection = made;
    }
    try {
      return await this.#ownConnection;
    } catch (error) {
      this.#ownConnection = undefined;
      throw error;
    }
  }

  async #awaitReplicas(
    connection: RedisConnection,
    clientId: RedisReply,
    batch: readonly WaitingClaim[],
  ): Promise<void> {
    for (const claim of batch) claim.lateCode = 'ERR_STORE_REPLICAS';
    // Until the last of them is about to be late: its refusal says why, and the claims that wait behind it still have time.
    const margin = Math.min(LONGEST_MARGIN_MS, this[answersWithin] / 10);
    const left = Math.max(1, Math.floor((batch.at(-1)?.end ?? 0) - performance.now() - margin));
    const acknowledged = await connection.command(['WAIT', String(this.#replicas), String(left)]);
    // On a connection that was made again meanwhile, WAIT knows of no claim and is content at once.
    const sameConnection = String(await connection.command(['CLIENT', 'ID'])) === String(clientId);
    if (!sameConnection) throw refuseChallenge('ERR_STORE_REPLICAS', 'the connection was lost');
    if (!(Number(acknowledged) >= this.#replicas)) {
      throw refuseChallenge('ERR_STORE_REPLICAS', `${Number(acknowledged)} of ${this.#replicas}`);
    }
  }

  /** Claims of what was issued before this time may have been forgotten. */
  #remembersFrom({ wasPromoted }: Reign, { durable, startedAt, metAt }: Look): number {
    let lost = Number.NEGATIVE_INFINITY;
    if (!durable) lost = startedAt;
    // A replica that was promoted lacks what its primary had not sent, or was emptied with a primary that had lost all. Its
    // own uptime does not tell when.
    if (wasPromoted && !(durable && this.#replicas > 0)) lost = Math.max(lost, metAt);
    // `issuedAt` is a tolerance early already: 2 × clockToleranceMs after the start by the clock that issued.
    return lost + (this.#toleranceMs ?? DEFAULT_TOLERANCE_MS) + UPTIME_ERROR_MS;
  }

  /** Finds out about a taker; callers that ask at the same time share it. */
  async #lookAt(connection: RedisConnection, reign: Reign, runId: string | undefined): Promise<Look> {
    this.#looking ??= this.#lookAgain(connection).finally(() => {
      this.#looking = undefined;
    });
    const look = await this.#looking;
    // The settings must be those of the server that has taken the claim.
    if (!isOf(look, reign, runId)) throw refuseChallenge('ERR_STORE_RESTARTED');
    return look;
  }

  async #lookAgain(connection: RedisConnection): Promise<Look> {
    const before = readRunId(await connection.command(['INFO', 'server']));
    const durability = await readDurability(connection);
    const [memory, server, replication] = await connection.transaction([
      ['INFO', 'memory'],
      ['INFO', 'server'],
      ['INFO', 'replication'],
    ]);
    const run = readServerRun(server);
    const { replicationId } = readReign(replication);
    if (run.runId !== before) throw refuseChallenge('ERR_STORE_RESTARTED');
    const policy = infoMember(infoText(memory), 'maxmemory_policy');
    if (policy !== 'noeviction') {
      throw refuseChallenge('ERR_STORE_CONFIGURATION', `maxmemory-policy is ${policy ?? 'not readable'}`);
    }
    const known = this.#look;
    const isSame = known?.runId === run.runId && known.replicationId === replicationId;
    this.#look = {
      ...run,
      // What hides its settings may hide more.
      drawsReplicationIds: run.drawsReplicationIds && durability !== undefined,
      replicationId,
      durable: durability === true,
      metAt: isSame ? known.metAt : Date.now(),
      lookedAt: performance.now(),
    };
    return this.#look;
  }
}

function answerAll(batch: readonly WaitingClaim[], replies: readonly RedisReply[], remembersFrom: number): void {
  batch.forEach((claim, index) => {
    const reply = replies[index];
    if (reply instanceof Error) claim.refuse(redisFailure(reply));
    else if (reply === null) claim.answer(false);
    else if (String(reply) !== 'OK') claim.refuse(refuseChallenge('ERR_STORE_UNAVAILABLE', 'SET was not answered'));
    else if (claim.issuedAt !== undefined && claim.issuedAt < remembersFrom) {
      claim.refuse(refuseChallenge('ERR_STORE_RESTARTED'));
    } else claim.answer(true);
  });
}

/**
 * Whether a look is one at the very reign, of the very run, that has taken a claim. The run is asked for only where the
 * replication ID alone does not tell runs apart: `INFO` takes the server some microseconds.
 */
function isOf(look: Look | undefined, reign: Reign, runId: string | undefined): look is Look {
  if (look === undefined || look.replicationId !== reign.replicationId) return false;
  return runId === undefined ? look.drawsReplicationIds : look.runId === runId;
}

const isFresh = ({ lookedAt }: Look): boolean => performance.now() - lookedAt < LOOK_INTERVAL_MS;
