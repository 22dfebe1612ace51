/** A token bucket for each client, by address. Clients beyond `maxClients` share one: hostile addresses cost no memory. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxClients: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(perSecond: number, burst: number = 2 * perSecond, maxClients = 10_000) {
    this.#perSecond = perSecond;
    // A bucket that never holds one whole request would let nobody in.
    this.#burst = Math.max(1, burst);
    this.#maxClients = maxClients;
  }

  /** Whether the client may do one more thing now. */
  allows(client: string): boolean {
    const now = performance.now();
    const name = this.#buckets.has(client) || this.#buckets.size < this.#maxClients ? client : '';
    const bucket = this.#buckets.get(name) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    // The map keeps the order of use: full buckets at its front are forgotten.
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    this.#forgetIdle(now);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #forgetIdle(now: number): void {
    const idleMs = (this.#burst / this.#perSecond) * 1000;
    for (const [name, { at }] of this.#buckets) {
      if (now - at < idleMs) return;
      this.#buckets.delete(name);
    }
  }
}
