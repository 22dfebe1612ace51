/** Counts what each fault did to each operation, for the table at the end of a fault run. */
export class Tally {
  readonly #rows = new Map<string, Map<string, number>>();
  readonly #title: string;

  constructor(title: string) {
    this.#title = title;
  }

  count(fault: string, outcome: string): void {
    const row = this.#rows.get(fault) ?? new Map<string, number>();
    row.set(outcome, (row.get(outcome) ?? 0) + 1);
    this.#rows.set(fault, row);
  }

  get injected(): number {
    return [...this.#rows.values()].flatMap((row) => [...row.values()]).reduce((sum, count) => sum + count, 0);
  }

  /** One line a fault: how often it was injected and how the calls ended. */
  toString(): string {
    const lines = [...this.#rows].map(([fault, row]) => {
      const outcomes = [...row].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
      const total = outcomes.reduce((sum, [, count]) => sum + count, 0);
      return `  ${fault.padEnd(42)} ${String(total).padStart(5)}   ${outcomes.map(([what, n]) => `${what}: ${n}`).join(', ')}`;
    });
    return [`${this.#title}: ${this.injected} faults injected`, ...lines].join('\n');
  }
}

/** Everything when FAULTS=all, as `npm run test:faults` sets it; a spread of it in the ordinary test run. */
export const exhaustive = process.env.FAULTS === 'all';

/** Rejects when a call has not ended after `seconds`: a hang is a failure of its own, not a test that times out. */
export async function endsWithin<T>(seconds: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still in progress after ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([call, hang]);
  } finally {
    clearTimeout(timer);
  }
}
