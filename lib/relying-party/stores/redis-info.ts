import { readableText } from '../../base/bytes.js';
import { refuseChallenge } from '../refusals.js';
import type { RedisConnection, RedisReply } from './redis-client.js';

/** Which run of which server has answered, and since when it remembers. */
export interface ServerRun {
  /** Changes with every start of a server and with every promotion of a replica. */
  identity: string;
  isPrimary: boolean;
  /** Some time in its life it was a replica, and may have been made empty by its primary. */
  wasPromoted: boolean;
  /** By the reader's clock, ms since the epoch; up to a second early. */
  startedAt: number;
}

const RUN_ID = /^[0-9a-f]{40}$/;
const WHOLE_NUMBER = /^\d{1,12}$/;

/** Reads the replies of `INFO server` and `INFO replication` of one transaction. */
export function readServerRun(server: RedisReply, replication: RedisReply): ServerRun {
  const serverInfo = infoText(server);
  const replicationInfo = infoText(replication);
  const runId = infoMember(serverInfo, 'run_id') ?? '';
  const uptime = infoMember(serverInfo, 'uptime_in_seconds') ?? '';
  const role = infoMember(replicationInfo, 'role');
  const replicationId = infoMember(replicationInfo, 'master_replid') ?? '';
  if (!RUN_ID.test(runId) || !WHOLE_NUMBER.test(uptime) || role === undefined || !RUN_ID.test(replicationId)) {
    throw refuseChallenge('ERR_STORE_CONFIGURATION', 'INFO does not say which server this is');
  }
  return {
    identity: `${runId}:${replicationId}`,
    isPrimary: role === 'master',
    wasPromoted: infoMember(replicationInfo, 'second_repl_offset') !== '-1',
    // Read after the reply came, so that it is late rather than early.
    startedAt: Date.now() - Number(uptime) * 1000,
  };
}

/** @throws {VerificationError} `ERR_STORE_CONFIGURATION` for a reply that is not a text. */
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

/** Whether every claim is on disk before it is answered. CONFIG refused, as by managed services, counts as not. */
export async function isDurable(connection: RedisConnection): Promise<boolean> {
  for (const [parameter, wanted] of Object.entries(DURABLE)) {
    let reply: RedisReply;
    try {
      reply = await connection.command(['CONFIG', 'GET', parameter]);
    } catch {
      return false;
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
