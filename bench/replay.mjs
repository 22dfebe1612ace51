// What it costs to redeem a challenge on Redis, against one bare SET NX of the same client: the HMAC, INFO in the same
// transaction, the deadline. One at a time, and 64 at a time, as a service does it. The floor is what no redemption can do without:
// one HMAC (as createHmac makes it), and a transaction of SET and INFO by the same client.
import { createHmac, randomBytes } from 'node:crypto';
import { createChallenges, redisReplayStore } from '../dist/relying-party/index.js';
import { connectRedis, DURABLE, Redis, redisMissing } from './_redis.mjs';

const ROUNDS = 15;
/** Not counted: what each contender is compiled in. */
const WARM_UP = 5;
const CALLS = 1_000;
const TARGET = 1.2;

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
  const ratios = { redeem: [], floor: [] };
  const best = {};
  const key = randomBytes(32);
  const floor = (name) => {
    createHmac('sha256', key).update(name).digest();
    return client
      .multi()
      .addCommand(['SET', name, '1', 'NX', 'PX', '300000'])
      .addCommand(['INFO', 'replication'])
      .exec();
  };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const issued = Array.from({ length: CALLS }, () => challenges.issue());
    const [keys, others] = [0, 1].map(() => issued.map(() => `challenge:${randomBytes(16).toString('hex')}`));
    const contenders = {
      set: () => timed(keys, atOnce, (key) => client.sendCommand(['SET', key, '1', 'NX', 'PX', '300000'])),
      redeem: () => timed(issued, atOnce, (challenge) => challenges.redeem(challenge)),
      floor: () => timed(others, atOnce, floor),
    };
    const times = {};
    const order = ['set', 'floor', 'redeem'];
    for (const contender of round % 2 === 0 ? order : order.reverse()) {
      times[contender] = await contenders[contender]();
      if (round < 0) continue;
      best[contender] = Math.min(best[contender] ?? Number.POSITIVE_INFINITY, times[contender]);
    }
    if (round < 0) continue;
    for (const contender of ['redeem', 'floor']) ratios[contender].push(times[contender] / times.set);
  }
  for (const list of Object.values(ratios)) list.sort((one, other) => one - other);
  return {
    question: `redeem ÷ SET NX, ${name}, ${atOnce} at a time`,
    ratio: ratios.redeem[ROUNDS >> 1],
    atMost: TARGET,
    details: `best ${(best.redeem * 1000).toFixed(0)} µs against ${(best.set * 1000).toFixed(0)} µs a call; floor ${ratios.floor[ROUNDS >> 1].toFixed(2)}`,
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
