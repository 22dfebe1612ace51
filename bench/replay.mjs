// What it costs to redeem a challenge on Redis, against one bare SET NX of the same client: the MAC, INFO in the same
// transaction, the deadline. One at a time, and 64 at a time, as a service does it. The transaction is what no redemption can do
// without: one of SET and INFO by the same client, for each alone.
//
// A call takes 30 or 130 µs by how deep the processor that is waited for sleeps, and that changes from one second to the next: hence
// many short turns, and the ratios of neighbours.
import { randomBytes } from 'node:crypto';
import { createChallenges, redisReplayStore } from '../dist/relying-party/index.js';
import { connectRedis, DURABLE, Redis, redisMissing } from './_redis.mjs';
import { interleaved, summary } from './measure.mjs';

const TARGET = 1.2;
const TURNS = 200;
/** Not counted: what each contender is compiled in. */
const WARM_UP = 50;
/** Calls a turn; each takes some 10 ms, with fsync some more. */
const CALLS = { 1: 100, 64: 640 };

export async function run() {
  const title = 'Redeeming a challenge on Redis';
  const missing = redisMissing();
  if (missing !== undefined)
    return { title, rows: [{ question: 'redeem against SET NX', ratio: Number.NaN, details: missing }] };
  const rows = [];
  for (const [name, settings] of [
    ['default configuration', ['--save', '']],
    ['appendfsync always', DURABLE],
  ]) {
    const redis = await new Redis().start(...settings);
    const client = await connectRedis(redis.path);
    const store = redisReplayStore(client);
    const challenges = createChallenges({ secret: randomBytes(32), store, clockToleranceMs: 0 });
    // The fence: a second and what uptime is rounded by.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    for (const atOnce of [1, 64]) rows.push(await compareAt(name, atOnce, client, challenges));
    client.destroy();
    await redis.remove();
  }
  return { title, rows };
}

async function compareAt(name, atOnce, client, challenges) {
  const turn = (value, call) => () => timed(Array.from({ length: CALLS[atOnce] }, value), atOnce, call);
  const key = () => `challenge:${randomBytes(16).toString('hex')}`;
  const { times, quiet } = await interleaved(
    {
      set: turn(key, (key) => client.sendCommand(['SET', key, '1', 'NX', 'PX', '300000'])),
      redeem: turn(challenges.issue, (challenge) => challenges.redeem(challenge)),
      transaction: turn(key, (key) =>
        client.multi().addCommand(['SET', key, '1', 'NX', 'PX', '300000']).addCommand(['INFO', 'replication']).exec(),
      ),
    },
    { rounds: TURNS, warmUp: WARM_UP },
  );
  const against = (contender) => summary(times[contender].map((time, turn) => time / times.set[turn]));
  const microseconds = (contender) => {
    const sorted = [...times[contender]].sort((one, other) => one - other);
    return `${[0.1, 0.5, 0.9].map((part) => (sorted[Math.floor(sorted.length * part)] * 1000).toFixed(0)).join(' / ')} µs`;
  };
  const transaction = against('transaction');
  return {
    question: `redeem ÷ SET NX, ${name}, ${atOnce} at a time`,
    ...against('redeem'),
    quiet,
    atMost: TARGET,
    details: `p10 / p50 / p90 ${microseconds('redeem')} against ${microseconds('set')}; the transaction ${transaction.ratio.toFixed(2)} (${transaction.interval.map((end) => end.toFixed(2)).join('–')})`,
  };
}

/** Milliseconds a call. */
async function timed(values, atOnce, call) {
  const started = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < values.length) await call(values[next++]);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (performance.now() - started) / values.length;
}
