import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

// The benchmarks are JavaScript without declarations.
const { compare, interval, summary, undisturbed } = await import(String('../../bench/measure.mjs'));
const { verdict } = await import(String('../../bench/_verdict.mjs'));
const { stolenTime, timeOfOthers } = await import(String('../../bench/_others.mjs'));

const QUICK = { rounds: 3, roundMs: 1 };
const nothing = () => 0;

describe('a verdict', () => {
  it.each([
    ['the median misses, its interval reaches the target', { ratio: 0.9, interval: [0.8, 1.01], atLeast: 1 }, true],
    ['the whole interval is below', { ratio: 0.9, interval: [0.8, 0.99], atLeast: 1 }, false],
    ['the whole interval is above', { ratio: 1.2, interval: [1.13, 1.3], atMost: 1.12 }, false],
    ['the interval begins below the highest', { ratio: 1.2, interval: [1.11, 1.3], atMost: 1.12 }, true],
    ['a figure without an interval', { ratio: 1.13, atMost: 1.12 }, false],
    ['no target', { ratio: 1.13 }, undefined],
    ['a miss that others disturbed', { ratio: 0.1, interval: [0.1, 0.1], atLeast: 1, quiet: false }, undefined],
  ])('%s', (_, row, expected) => expect(verdict(row)).toBe(expected));
});

describe('rounds', () => {
  /** Takes `ms` of a processor during each of these rounds. */
  const disturbing = (rounds: number[], ms = 100) => {
    let calls = 0;
    let taken = 0;
    return () => {
      if (calls++ % 2 === 1 && rounds.includes((calls - 2) / 2)) taken += ms;
      return taken;
    };
  };
  const numbered = async (turn: number) => turn;

  it('are run again when others were at work beside them', async () => {
    const measured = await undisturbed(3, numbered, { others: disturbing([1, 2]) });
    expect(measured).toEqual({ results: [0, 3, 4], quiet: true });
  });

  it('count after all on a machine that is never quiet, which is said', async () => {
    const measured = await undisturbed(2, numbered, { others: disturbing([...Array(100).keys()]) });
    expect(measured).toEqual({ results: [8, 9], quiet: false });
  });

  it('are undisturbed by what the kernel’s clock cannot tell', async () => {
    const measured = await undisturbed(2, numbered, { others: disturbing([0, 1], 20) });
    expect(measured).toEqual({ results: [0, 1], quiet: true });
  });

  it('of a comparison say so in the row', async () => {
    const { measure } = await compare(
      { a: () => 1, b: () => 2 },
      { ...QUICK, others: disturbing([...Array(99).keys()]) },
    );
    expect(measure('a', 'b')).toMatchObject({ quiet: false });
    expect(verdict({ ...measure('a', 'b'), atLeast: 1e9 })).toBeUndefined();
  });
});

describe('contenders', () => {
  it('run on the cores that they are given', async () => {
    let now = -1;
    const seen: Record<string, Set<number>> = { one: new Set(), alike: new Set(), all: new Set() };
    const on = (name: string) => () => seen[name]?.add(now);
    await compare(
      { one: on('one'), alike: on('alike'), all: on('all') },
      { ...QUICK, cores: { one: 1, alike: 1 }, pin: (cores: number) => (now = cores), others: nothing },
    );
    expect(seen).toEqual({ one: new Set([1]), alike: new Set([1]), all: new Set([0]) });
    expect(now).toBe(0);
  });

  it('that are not pinned alike are not compared', async () => {
    const { measure } = await compare(
      { one: () => 1, alike: () => 1, all: () => 1 },
      { ...QUICK, cores: { one: 1, alike: 1 }, others: nothing },
    );
    expect(() => measure('one', 'all')).toThrow('one and all are not pinned alike');
    expect(measure('one', 'alike')).toHaveProperty('interval');
  });
});

it('the interval holds the median of 15 rounds with 95 %', () => {
  // By the binomial distribution: 1 - 2 · P(at most 3 of 15) for the 4th of 15 and the 13th, which is a little wider.
  expect(interval([...Array(15).keys()])).toEqual([3, 12]);
  expect(summary([3, 1, 2])).toEqual({ ratio: 2, interval: [1, 3] });
});

it('time of others counts what other processes take, and not what this one does', async () => {
  const work = 'const end = Date.now() + 300; while (Date.now() < end);';
  const before = timeOfOthers();
  // A grandchild that nobody waits for any more is somebody else.
  await promisify(execFile)('sh', ['-c', `setsid "${process.execPath}" -e "${work}" >/dev/null 2>&1 & sleep 0.6`]);
  expect(timeOfOthers() - before).toBeGreaterThan(100);
  expect(stolenTime()).toBeGreaterThanOrEqual(0);
});
