/**
 * Where documents that were fetched are kept: certificates, chains, revocation lists, collateral. Nothing that comes out of
 * it is trusted: a wrong, old or foreign entry costs a new request and nothing else.
 */
export interface Cache {
  /** The value last set, or undefined: never set, ended, or lost. May reject; that counts as undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keeps a value for `ttlMs` at most. May reject; nobody fails by it. */
  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;
}

/** Across replicas: whoever claims the key fetches, the others wait for the cache. `ReplayStore` of the relying party. */
export interface FetchLock {
  claim(key: string, ttlMs: number): Promise<boolean>;
}
