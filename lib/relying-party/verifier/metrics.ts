/** Counters and durations of a service, in Prometheus' text format (version 0.0.4). */

const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const MAXIMUM_CODES = 200;

export class ServiceMetrics {
  readonly #counts = new Map<string, number>();
  readonly #buckets = BUCKETS_SECONDS.map(() => 0);
  #sum = 0;
  #count = 0;
  #inProgress = 0;

  /** Counts one verification; `code` is stable, for instance `ERR_POLICY`, or `ok`. */
  async measure<T>(work: () => Promise<T>, codeOf: (outcome: { result?: T; error?: unknown }) => string): Promise<T> {
    const started = performance.now();
    this.#inProgress++;
    let code = 'ERR_INTERNAL';
    try {
      const result = await work();
      code = codeOf({ result });
      return result;
    } catch (error) {
      code = codeOf({ error });
      throw error;
    } finally {
      this.#inProgress--;
      this.#add(code, (performance.now() - started) / 1000);
    }
  }

  #add(code: string, seconds: number): void {
    const known = this.#counts.has(code) || this.#counts.size < MAXIMUM_CODES;
    const name = known ? code : 'other';
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#sum += seconds;
    this.#count++;
    BUCKETS_SECONDS.forEach((limit, index) => {
      if (seconds <= limit) this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    });
  }

  get inProgress(): number {
    return this.#inProgress;
  }

  text(): string {
    const lines = [
      '# HELP cvm_verifications_total Verifications by outcome.',
      '# TYPE cvm_verifications_total counter',
      ...[...this.#counts].map(([code, count]) => `cvm_verifications_total{code="${code}"} ${count}`),
      '# HELP cvm_verifications_in_progress Verifications that have not ended.',
      '# TYPE cvm_verifications_in_progress gauge',
      `cvm_verifications_in_progress ${this.#inProgress}`,
      '# HELP cvm_verification_seconds Duration of verifications.',
      '# TYPE cvm_verification_seconds histogram',
      ...BUCKETS_SECONDS.map(
        (limit, index) => `cvm_verification_seconds_bucket{le="${limit}"} ${this.#buckets[index]}`,
      ),
      `cvm_verification_seconds_bucket{le="+Inf"} ${this.#count}`,
      `cvm_verification_seconds_sum ${this.#sum}`,
      `cvm_verification_seconds_count ${this.#count}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}
