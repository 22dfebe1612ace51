// npm run load [-- CHALLENGES [TIMES]]: the replay stores under fire. CHALLENGES (default 100,000) challenges are redeemed TIMES (10)
// times each by 8 processes whose clocks are up to 30 s apart, on one Redis; in the middle of batches the Redis and the processes are
// killed with SIGKILL and started again. Each challenge may be won once. Three runs: Redis as Debian configures it, Redis that
// writes every claim to disk first, and Redis as Debian configures it without the fence, which must let replays through.
// `npm run load -- memory [MINUTES]` and `npm run load -- idle [CONNECTIONS]`: the verifier service under load (load-memory.mjs,
// load-idle.mjs).
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectRedis, DURABLE, Redis, redisMissing } from '../bench/_redis.mjs';
import { createChallenges, redisReplayStore } from '../dist/relying-party/index.js';

const PROCESSES = 8;
const BATCHES = 10;
const CLOCKS_APART_MS = 30_000;
const TOLERANCE_MS = 30_000;
const AT_ONCE = 32;
const self = fileURLToPath(import.meta.url);

/** One process of the relying party: redeems what it is given, in an order of its own, and writes down what it won. */
async function replica({ redis, secret, offset, file, wins, times, fenced }) {
  process.once('disconnect', () => process.exit());
  const { now } = Date;
  Date.now = () => now() + offset;
  const client = await connectRedis(redis);
  const store = redisReplayStore(client);
  const withoutFence = { claim: (key, ttlMs) => store.claim(key, ttlMs) };
  const challenges = createChallenges({
    secret: Buffer.from(secret, 'hex'),
    store: fenced ? store : withoutFence,
    clockToleranceMs: TOLERANCE_MS,
  });
  const counts = {};
  process.on('message', async (batch) => {
    const all = readFileSync(file, 'utf8').trim().split('\n').slice(batch.from, batch.to);
    const mine = [];
    for (const challenge of all)
      for (let time = 0; time < times; time++) if (Math.random() < 1 / PROCESSES) mine.push(challenge);
    for (let at = mine.length - 1; at > 0; at--) {
      const other = Math.floor(Math.random() * (at + 1));
      [mine[at], mine[other]] = [mine[other], mine[at]];
    }
    let next = 0;
    const worker = async () => {
      while (next < mine.length) {
        const challenge = mine[next++];
        let code = 'won';
        try {
          await challenges.redeem(challenge);
          // Before anything else happens: a process that is killed has not forgotten what it won.
          appendFileSync(wins, `${challenge}\n`);
        } catch (error) {
          code = error.code ?? 'ERR_INTERNAL';
        }
        counts[code] = (counts[code] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    process.send({ done: batch.number, counts });
  });
  process.send({ ready: true });
}

async function campaign(name, settings, fenced, challengeCount, times) {
  const folder = mkdtempSync(join(tmpdir(), 'load-'));
  const file = join(folder, 'challenges');
  const redis = await new Redis().start(...settings);
  const secret = randomBytes(32);
  const wins = [];
  const counts = new Map();
  const children = [];
  const startReplica = (index) => {
    const won = join(folder, `wins-${wins.length}`);
    writeFileSync(won, '');
    wins.push(won);
    const child = fork(self, ['--replica']);
    child.setMaxListeners(0);
    // Spread from one end of the tolerance to the other.
    const offset = Math.round((index / (PROCESSES - 1) - 0.5) * CLOCKS_APART_MS);
    child.send({ redis: redis.path, secret: secret.toString('hex'), offset, file, wins: won, times, fenced });
    child.on('message', (message) => {
      if (message.counts) counts.set(child.pid, message.counts);
    });
    children[index] = child;
    return new Promise((resolve) => child.once('message', resolve));
  };
  const issuer = createChallenges({ secret, store: { claim: async () => true }, clockToleranceMs: TOLERANCE_MS });
  const started = performance.now();
  writeFileSync(file, '');
  await Promise.all(Array.from({ length: PROCESSES }, (_, index) => startReplica(index)));
  if (fenced) await fencePassed(redis, secret, issuer);
  const perBatch = Math.ceil(challengeCount / BATCHES);
  let kills = 0;
  for (let number = 0; number < BATCHES; number++) {
    appendFileSync(file, `${Array.from({ length: perBatch }, () => issuer.issue()).join('\n')}\n`);
    const batch = { number, from: number * perBatch, to: (number + 1) * perBatch };
    const finished = children.map(
      (child) =>
        new Promise((resolve) => {
          child.once('exit', resolve);
          child.on('message', (message) => message.done === number && resolve());
          child.send(batch);
        }),
    );
    if (number % 3 === 1) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      kills++;
      await redis.kill();
      await redis.start(...settings);
    }
    if (number % 3 === 2) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      kills++;
      const victim = number % PROCESSES;
      children[victim].kill('SIGKILL');
      await Promise.all(finished);
      await startReplica(victim);
    }
    await Promise.all(finished);
  }
  const seconds = (performance.now() - started) / 1000;
  for (const child of children) child.kill();
  const won = wins.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  );
  const doubles = won.length - new Set(won).size;
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
  const total = {};
  for (const one of counts.values())
    for (const [code, count] of Object.entries(one)) total[code] = (total[code] ?? 0) + count;
  const attempts = Object.values(total).reduce((sum, count) => sum + count, 0);
  console.log(
    `${name}: ${attempts} redemptions of ${perBatch * BATCHES} challenges in ${seconds.toFixed(0)} s, ${kills} kills`,
  );
  console.log(`  ${won.length} wins, ${new Set(won).size} challenges won, ${doubles} double`);
  console.log(
    `  ${Object.entries(total)
      .map(([code, count]) => `${code} ${count}`)
      .join(', ')}`,
  );
  return doubles;
}

/** Waits until challenges that are issued now are taken: for a while after a start they are not. */
async function fencePassed(redis, secret, issuer) {
  const client = await connectRedis(redis.path);
  const challenges = createChallenges({ secret, store: redisReplayStore(client), clockToleranceMs: TOLERANCE_MS });
  for (;;) {
    const refused = await challenges.redeem(issuer.issue()).catch(() => true);
    if (refused !== true) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  client.destroy();
}

async function main() {
  const [mode, amount] = process.argv.slice(2);
  if (mode === 'memory') return (await import('./load-memory.mjs')).memoryUnderLoad(Number(amount ?? 30));
  if (mode === 'idle') return (await import('./load-idle.mjs')).idleConnections(Number(amount ?? 10_000));
  const missing = redisMissing();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const [challenges = 100_000, times = 10] = process.argv.slice(2).map(Number);
  const debian = ['--save', '3600 1 300 100 60 10000', '--appendonly', 'no'];
  const inDefault = await campaign('Debian’s default configuration', debian, true, challenges, times);
  const durable = await campaign('appendfsync always', DURABLE, true, challenges, times);
  const unfenced = await campaign('Debian’s default configuration, fence taken out', debian, false, challenges, times);
  const isGood = inDefault === 0 && durable === 0 && unfenced > 0;
  console.log(isGood ? 'one win each or refusal; without the fence replays get through' : 'NOT as it must be');
  return isGood ? 0 : 1;
}

if (process.argv.includes('--replica')) process.once('message', replica);
else process.exitCode = await main();
