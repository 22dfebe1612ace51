import { readableText } from '../../base/bytes.js';
import { refuseChallenge } from '../refusals.js';
import type { RedisConnection, RedisReply } from './redis-client.js';

/** What `INFO replication` says of whoever answers. */
export interface Reign {
  readonly isPrimary: boolean;
  /** Changes with every promotion of a replica, and of Redis 5 and newer with every start. */
  readonly replicationId: string;
  /** Some time in its life it was a replica, and may have been made empty by its primary. */
  readonly wasPromoted: boolean;
}

/** What `INFO server` says. */
export interface ServerRun {
  /** Changes with every start. */
  runId: string;
  /** By the reader's clock, ms since the epoch; up to a second early. */
  startedAt: number;
  /** A primary's replication ID is drawn at its start or promotion: no two runs of such servers have the same. */
  drawsReplicationIds: boolean;
}

const RANDOM_ID = /^[0-9a-f]{40}$/;
const WHOLE_NUMBER = /^\d{1,12}$/;
/** Redis 4.0 takes a primary's replication ID from its snapshot, so that a restart is not seen by it. */
const FIRST_VERSION = 5;
/** Others that speak the protocol (KeyDB, Dragonfly, Garnet, Kvrocks) name themselves beside the version that they imitate. */
const KNOWN_VERSIONS: readonly string[] = ['redis', 'valkey', 'gcc'];

/** @throws {VerificationError} `ERR_STORE_CONFIGURATION` */
export function readReign(replication: RedisReply): Reign {
  const info = infoText(replication);
  const role = infoMember(info, 'role');
  const replicationId = infoMember(info, 'master_replid') ?? '';
  if (role === undefined || !RANDOM_ID.test(replicationId)) throw unreadable();
  return {
    isPrimary: role === 'master',
    replicationId,
    wasPromoted: infoMember(info, 'second_repl_offset') !== '-1',
  };
}

/** {@link readReign}, but the very text that was read last is not read again: where nothing replicates, every claim brings it. */
export class ReignReader {
  #text: string | undefined;
  #reign: Reign | undefined;

  read(replication: RedisReply): Reign {
    if (this.#reign !== undefined && replication === this.#text) return this.#reign;
    const text = infoText(replication);
    this.#reign = readReign(text);
    this.#text = text;
    return this.#reign;
  }
}

/** @throws {VerificationError} `ERR_STORE_CONFIGURATION` */
export function readServerRun(server: RedisReply): ServerRun {
  const info = infoText(server);
  const uptime = infoMember(info, 'uptime_in_seconds') ?? '';
  if (!WHOLE_NUMBER.test(uptime)) throw unreadable();
  const version = Number.parseInt(infoMember(info, 'redis_version') ?? '', 10);
  const implementations = [...info.matchAll(/^(\w+)_version:/gm)].map(([, name]) => name as string);
  return {
    runId: readRunId(info),
    // Read after the reply came, so that it is late rather than early.
    startedAt: Date.now() - Number(uptime) * 1000,
    drawsReplicationIds: version >= FIRST_VERSION && implementations.every((name) => KNOWN_VERSIONS.includes(name)),
  };
}

/** `run_id` of `INFO server`. @throws {VerificationError} `ERR_STORE_CONFIGURATION` */
export function readRunId(server: RedisReply): string {
  const runId = infoMember(infoText(server), 'run_id') ?? '';
  if (!RANDOM_ID.test(runId)) throw unreadable();
  return runId;
}

const unreadable = () => refuseChallenge('ERR_STORE_CONFIGURATION', 'INFO does not say which server this is');

/** @throws {VerificationError} `ERR_STORE_CONFIGURATION` for a reply that is not a string. */
export function infoText(reply: RedisReply): string {
  const text = reply instanceof Uint8Array ? readableText(reply) : reply;
  if (typeof text !== 'string') throw refuseChallenge('ERR_STORE_CONFIGURATION', 'INFO is not answered');
  return text;
}

/** One member of an INFO reply. It is looked for as a whole line: every claim brings one of these texts. */
export function infoMember(text: string, name: string): string | undefined {
  const start = text.indexOf(`\n${name}:`);
  if (start < 0) return undefined;
  const end = text.indexOf('\r', start);
  return end < 0 ? undefined : text.slice(start + name.length + 2, end);
}

const DURABLE = { appendonly: 'yes', appendfsync: 'always', 'no-appendfsync-on-rewrite': 'no' } as const;

/** Whether every claim is on disk before it is answered; undefined when CONFIG is refused, as by managed services. */
export async function readDurability(connection: RedisConnection): Promise<boolean | undefined> {
  for (const [parameter, wanted] of Object.entries(DURABLE)) {
    let reply: RedisReply;
    try {
      reply = await connection.command(['CONFIG', 'GET', parameter]);
    } catch {
      return undefined;
    }
    if (configValue(reply, parameter) !== wanted) return false;
  }
  return true;
}

/** One value of `CONFIG GET`: a list of names and values by RESP2, a map by RESP3. */
function configValue(reply: RedisReply, parameter: string): string | undefined {
  let value: unknown;
  if (Array.isArray(reply)) value = String(reply[0]) === parameter ? reply[1] : undefined;
  else if (reply instanceof Map) value = reply.get(parameter);
  else if (typeof reply === 'object' && reply !== null) value = (reply as Record<string, unknown>)[parameter];
  return value instanceof Uint8Array ? readableText(value) : typeof value === 'string' ? value : undefined;
}
