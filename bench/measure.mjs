// How every benchmark here measures. A shared machine changes its speed by a factor of two within minutes, so a figure
// from one pass means little; the ratio of two contenders in the same 50 ms round means a lot. Hence: short rounds, all
// contenders interleaved in a new order each round, and the median of the per-round ratios. A round beside which others
// were at work is run again; when that happens too often, the row is marked as not measured.
import { timeOfOthers } from './_others.mjs';

/** What other processes may take of one processor while a round runs; 20 ms is two ticks of the kernel's count. */
const OTHERS_MAY_TAKE = { share: 0.05, ms: 20 };
/** Rounds of a few calls that others are looked for beside together: one is too short for the kernel's count. */
const BLOCK = 10;
/** Rounds run again, at most, for each that counts: then the machine is not quiet, and nothing was measured. */
const REPEATS = 4;

/**
 * @typedef {object} Timing
 * @property {number} best calls a second in the best round: the estimate of the limit
 * @property {number} median calls a second in the median round
 * @property {number[]} rounds calls a second, one for each round
 */

/**
 * @typedef {object} Measure
 * @property {number} ratio
 * @property {[number, number]} interval in which the median lies with 95 %
 * @property {boolean} quiet false when rounds that others disturbed had to be counted
 */

/**
 * Runs rounds until `count` of them were undisturbed; one beside which others were at work is run again. Gives up on a machine
 * that is never quiet: then disturbed rounds count, and `quiet` is false.
 *
 * @template T
 * @param {number} count
 * @param {(turn: number) => Promise<T>} round `turn` counts those that are run again as well
 * @param {{ what?: string, others?: () => number }} [options] `others` is the clock of what others take, in milliseconds
 * @returns {Promise<{ results: T[], quiet: boolean }>}
 */
export async function undisturbed(count, round, { what = 'a measurement', others = timeOfOthers } = {}) {
  const results = [];
  let disturbed = 0;
  let quiet = true;
  while (results.length < count) {
    const start = { others: others(), at: performance.now() };
    const result = await round(results.length + disturbed);
    const allowed = Math.max(OTHERS_MAY_TAKE.ms, OTHERS_MAY_TAKE.share * (performance.now() - start.at));
    if (others() - start.others > allowed) {
      if (disturbed < REPEATS * count) {
        disturbed++;
        continue;
      }
      quiet = false;
    }
    results.push(result);
  }
  if (disturbed > 0) console.error(`  ${disturbed} rounds of ${what} run again: other processes were at work`);
  return { results, quiet };
}

/**
 * Runs the contenders in interleaved rounds. A contender may return a promise; it is awaited, one call at a time.
 *
 * @param {Record<string, () => unknown>} contenders
 * @param {{ rounds?: number, roundMs?: number, cores?: Record<string, number>, pin?: (cores: number) => void,
 *   others?: () => number }} [options] 15 rounds of 50 ms a contender by default. `pin` keeps the process on that many
 *   cores while a contender runs, `cores` says on how many: those not named, 0, have all. What is compared with each other
 *   has the same.
 * @returns {Promise<{ timings: Record<string, Timing>, ratio: (of: string, to: string) => number,
 *   measure: (of: string, to: string) => Measure }>}
 *   `ratio(of, to)` is how many times faster `of` is than `to`: the median of the per-round ratios; `measure` has its 95 %
 *   interval as well, and whether the machine was quiet, for a row. It refuses two that are not pinned alike
 */
export async function compare(contenders, { rounds = 15, roundMs = 50, cores = {}, pin = () => {}, others } = {}) {
  const names = Object.keys(contenders);
  const timed = (name) => {
    pin(cores[name] ?? 0);
    return callsPerSecond(contenders[name], roundMs);
  };
  for (const name of names) await timed(name); // warm-up: JIT, caches, lazy set-up
  const { results, quiet } = await undisturbed(
    rounds,
    async (turn) => {
      const speeds = {};
      for (const name of rotate(names, turn)) speeds[name] = await timed(name);
      return speeds;
    },
    { what: names.join(', '), ...(others && { others }) },
  );
  pin(0);
  const timings = {};
  for (const name of names) {
    const speeds = results.map((round) => round[name]);
    timings[name] = { best: Math.max(...speeds), median: median(speeds), rounds: speeds };
  }
  const ratios = (of, to) => results.map((round) => round[of] / round[to]);
  return {
    timings,
    ratio: (of, to) => median(ratios(of, to)),
    measure: (of, to) => {
      if (cores[of] !== cores[to]) throw new Error(`${of} and ${to} are not pinned alike`);
      return { ...summary(ratios(of, to)), quiet };
    },
  };
}

/**
 * Milliseconds that each contender took in each round, for those that tell their own time or are a round by themselves: one
 * call of each, in turns, so that all find the caches and the machine in the same state.
 *
 * @param {Record<string, () => Promise<number>>} contenders
 * @param {{ rounds: number, warmUp: number }} options `rounds` is rounded up to whole blocks
 * @returns {Promise<{ times: Record<string, number[]>, quiet: boolean }>}
 */
export async function interleaved(contenders, { rounds, warmUp }) {
  const names = Object.keys(contenders);
  for (const name of names) for (let i = 0; i < warmUp; i++) await contenders[name]();
  const { results, quiet } = await undisturbed(
    Math.ceil(rounds / BLOCK),
    async (block) => {
      const turns = [];
      for (let turn = block * BLOCK; turn < (block + 1) * BLOCK; turn++) {
        const times = {};
        for (const name of rotate(names, turn)) times[name] = await contenders[name]();
        turns.push(times);
      }
      return turns;
    },
    { what: names.join(', ') },
  );
  const all = results.flat();
  return { times: Object.fromEntries(names.map((name) => [name, all.map((times) => times[name])])), quiet };
}

/** Median of the ratios of rounds, and where it lies with 95 %, for a row. */
export function summary(ratios) {
  return { ratio: median(ratios), interval: interval(ratios) };
}

/** Where the median of a distribution lies with 95 %, by the order of the samples alone. */
export function interval(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const reach = (1.96 * Math.sqrt(sorted.length)) / 2;
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach));
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach));
  return [sorted[low], sorted[high]];
}

/**
 * Milliseconds that each call took, for latencies: `count` calls one after the other.
 *
 * @param {() => unknown} call
 * @param {number} count
 * @returns {Promise<{ median: number, p95: number, max: number }>}
 */
export async function latency(call, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint();
    await call();
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  times.sort((a, b) => a - b);
  return { median: median(times), p95: times[Math.floor(times.length * 0.95)], max: times[times.length - 1] };
}

/** @param {number[]} values @returns {number} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function rotate(names, by) {
  const at = by % names.length;
  return [...names.slice(at), ...names.slice(0, at)];
}

// A call may take 100 ns or 100 ms, so the clock is read only between batches, and the batch grows until reading it costs
// nothing. A synchronous contender is never awaited: a microtask a call would be most of what a small one takes.
async function callsPerSecond(call, roundMs) {
  const limit = BigInt(Math.round(roundMs * 1e6));
  let calls = 0;
  let batch = 1;
  const start = process.hrtime.bigint();
  for (;;) {
    const batchStart = process.hrtime.bigint();
    for (let i = 0; i < batch; i++) {
      const result = call();
      if (result instanceof Promise) await result;
    }
    calls += batch;
    const now = process.hrtime.bigint();
    if (now - start >= limit) return (calls * 1e9) / Number(now - start);
    if (now - batchStart < 100_000n) batch *= 2;
  }
}
