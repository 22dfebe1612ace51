// How every benchmark here measures. A shared machine changes its speed by a factor of two within minutes, so a figure
// from one pass means little; the ratio of two contenders in the same 50 ms round means a lot. Hence: short rounds, all
// contenders interleaved in a new order each round, and the median of the per-round ratios. A round beside which others
// were at work is run again; when that happens too often, the row is marked as not measured.
import { timeOfOthers } from './_others.mjs';

/** What other processes may take of one processor while a round runs; 20 ms is two ticks of the kernel's count. */
const OTHERS_MAY_TAKE = { share: 0.05, ms: 20 };
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
 * Runs the contenders in interleaved rounds. A contender may return a promise; it is awaited, one call at a time.
 *
 * @param {Record<string, () => unknown>} contenders
 * @param {{ rounds?: number, roundMs?: number }} [options] 15 rounds of 50 ms a contender by default
 * @returns {Promise<{ timings: Record<string, Timing>, ratio: (of: string, to: string) => number,
 *   measure: (of: string, to: string) => Measure }>}
 *   `ratio(of, to)` is how many times faster `of` is than `to`: the median of the per-round ratios; `measure` has its 95 %
 *   interval as well, and whether the machine was quiet, for a row
 */
export async function compare(contenders, { rounds = 15, roundMs = 50 } = {}) {
  const names = Object.keys(contenders);
  const perRound = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await callsPerSecond(contenders[name], roundMs); // warm-up: JIT, caches, lazy set-up
  let disturbed = 0;
  for (let round = 0; round < rounds; ) {
    const start = { others: timeOfOthers(), at: performance.now() };
    const results = {};
    for (const name of rotate(names, round + disturbed)) {
      results[name] = await callsPerSecond(contenders[name], roundMs);
    }
    const others = timeOfOthers() - start.others;
    const allowed = Math.max(OTHERS_MAY_TAKE.ms, OTHERS_MAY_TAKE.share * (performance.now() - start.at));
    if (others > allowed && disturbed < REPEATS * rounds) {
      disturbed++;
      continue;
    }
    for (const name of names) perRound[name].push(results[name]);
    round++;
  }
  if (disturbed > 0) {
    console.error(`  ${disturbed} rounds of ${names.join(', ')} run again: other processes were at work`);
  }
  const timings = {};
  for (const name of names) {
    timings[name] = { best: Math.max(...perRound[name]), median: median(perRound[name]), rounds: perRound[name] };
  }
  const ratios = (of, to) => perRound[of].map((value, round) => value / perRound[to][round]);
  const quiet = disturbed < REPEATS * rounds;
  return {
    timings,
    ratio: (of, to) => median(ratios(of, to)),
    measure: (of, to) => ({ ratio: median(ratios(of, to)), interval: interval(ratios(of, to)), quiet }),
  };
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
