import { describe, expect, it } from 'vitest';
import type { Evidence } from '../../../lib/index.js';
import { type MakeEvidence, QuoteQueue, TooManyQuotes } from '../../../lib/relying-party/channel/quote-queue.js';

const evidence: Evidence = { version: 1, hclReport: new Uint8Array(1) };
const request = (n: number, freshReport = false) => ({
  binding: new Uint8Array(32).fill(n),
  challenge: new Uint8Array(32).fill(n),
  freshReport,
});

describe('queue of quotes', () => {
  it('has one quote with the TPM at a time and refuses the seventeenth that waits at once', async () => {
    let working = 0;
    let most = 0;
    const make: MakeEvidence = async () => {
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, 2));
      working--;
      return evidence;
    };
    const queue = new QuoteQueue(make, { maxQuotesPerSecond: 1000 });
    const results = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => queue.quote(request(n))));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(most).toBe(1);
    expect(refused.every(({ reason }) => reason instanceof TooManyQuotes)).toBe(true);
    expect(results.length - refused.length).toBeGreaterThanOrEqual(16);
    expect(results.length - refused.length).toBeLessThanOrEqual(17);
  });

  it('begins no more quotes in a second than it was told', async () => {
    const begun: number[] = [];
    const queue = new QuoteQueue(
      async () => {
        begun.push(performance.now());
        return evidence;
      },
      { maxQuotesPerSecond: 50 },
    );
    await Promise.all(Array.from({ length: 6 }, (_, n) => queue.quote(request(n))));
    expect((begun.at(-1) ?? 0) - (begun[0] ?? 0)).toBeGreaterThanOrEqual(5 * 20 - 5);
  });

  it('makes one report for all that demand a fresh one, and a quote of its own for each', async () => {
    const made: { binding: number; reused: boolean; userData: string }[] = [];
    const queue = new QuoteQueue(
      async ({ binding, userData, reuse }) => {
        made.push({
          binding: binding[0] ?? 0,
          reused: reuse !== undefined,
          userData: Buffer.from(userData ?? []).toString('hex'),
        });
        return evidence;
      },
      { maxQuotesPerSecond: 1000 },
    );
    const results = await Promise.all([
      queue.quote(request(1)),
      ...[2, 3, 4].map((n) => queue.quote(request(n, true))),
    ]);
    expect(made.map(({ binding, reused }) => [binding, reused])).toEqual([
      [1, false],
      [2, false],
      [3, true],
      [4, true],
    ]);
    expect(new Set(made.slice(1).map(({ userData }) => userData)).size).toBe(1);
    expect(results.map(({ batch }) => batch?.length)).toEqual([undefined, 3, 3, 3]);
  });

  it('goes on after a quote that failed', async () => {
    let calls = 0;
    const queue = new QuoteQueue(
      async () => {
        if (++calls === 1) throw new Error('the TPM is busy');
        return evidence;
      },
      { maxQuotesPerSecond: 1000 },
    );
    const [first, second] = await Promise.allSettled([queue.quote(request(1)), queue.quote(request(2))]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  });

  it('makes no quote for somebody who has left', async () => {
    const left = AbortSignal.abort();
    const queue = new QuoteQueue(async () => expect.unreachable(), {});
    await expect(queue.quote({ ...request(1), signal: left })).rejects.toHaveProperty('name', 'AbortError');
  });
});
