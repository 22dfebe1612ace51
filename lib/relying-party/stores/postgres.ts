import { milliseconds, textLike } from '../../base/option-kinds.js';
import { checkOptions, invalid, readArguments } from '../../base/options.js';
import { refuseChallenge } from '../refusals.js';
import { Deadlines } from './deadlines.js';
import { checkClaim, type ReplayStore, storeFailure } from './replay-store.js';
import { postgresFailure } from './store-errors.js';

export interface PostgresReplayStoreOptions {
  /** Name of the table, with its schema where the search path may differ. Default `public.cvm_challenges`. */
  table?: string;
  /** For how long one claim may take, in milliseconds. Default 2,000. */
  deadlineMs?: number;
  /** How often entries that have ended are deleted. Default 60,000. */
  sweepIntervalMs?: number;
}

/** The caller's own pool of the package `pg`, as far as it is used. */
export interface PostgresPool {
  readonly totalCount: number;
  connect(): Promise<unknown>;
  query(text: string, values?: unknown[]): Promise<unknown>;
}

interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  release(destroy?: boolean): void;
  /** `I` outside a transaction. Since pg 8.18. */
  getTransactionStatus?(): string | null;
}

const DEFAULT_TABLE = 'public.cvm_challenges';
const TABLE_NAME = /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/;
const SWEPT_AT_ONCE = 10_000;
/** While the server is away, claims wait for a connection: more than these are refused at once. */
const MAXIMUM_WAITING = 1_000;

/** The statements that make the table of {@link postgresReplayStore}. Run them once, as its owner. */
export function postgresReplayTable(table: string = DEFAULT_TABLE): string {
  if (typeof table !== 'string' || !TABLE_NAME.test(table)) throw invalid('table must be a name in lower case');
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, expires timestamptz NOT NULL);`,
    `CREATE INDEX IF NOT EXISTS ${table.split('.').at(-1)}_expires ON ${table} (expires);`,
  ].join('\n');
}

/**
 * Remembers in PostgreSQL (9.5 or newer), by the caller's own pool of `pg`. Each claim is one statement that commits by
 * itself, and counts only when the server says that the commit was on disk (`synchronous_commit` `on` or `remote_apply`,
 * `fsync` `on`). Without `synchronous_standby_names` a fail-over can let a replay through.
 *
 * The table must be logged, and the same for all replicas: {@link postgresReplayTable}.
 *
 * @throws {AttestationError} 8 for a client in place of a pool (it could be inside a transaction), and for options out of
 *   range.
 */
export function postgresReplayStore(pool: PostgresPool, options: PostgresReplayStoreOptions = {}): ReplayStore {
  const checked = checkOptions<PostgresReplayStoreOptions>('postgresReplayStore', options, {
    table: textLike(TABLE_NAME, 'the name of a table in lower case, with or without its schema'),
    deadlineMs: milliseconds,
    sweepIntervalMs: milliseconds,
  });
  const isPool = readArguments(
    'postgresReplayStore',
    () =>
      typeof pool === 'object' &&
      pool !== null &&
      typeof pool.connect === 'function' &&
      typeof pool.query === 'function' &&
      typeof pool.totalCount === 'number',
  );
  if (!isPool) throw invalid('postgresReplayStore takes a Pool of the package pg, not a client');
  return new PostgresReplayStore(pool, checked);
}

class PostgresReplayStore implements ReplayStore {
  readonly #pool: PostgresPool;
  readonly #table: string;
  readonly #deadlineMs: number;
  readonly #deadlines: Deadlines;
  readonly #sweepIntervalMs: number;
  readonly #claimStatement: string;
  #tableChecked: Promise<void> | undefined;
  #sweptAt = performance.now();
  #waiting = 0;

  constructor(pool: PostgresPool, options: PostgresReplayStoreOptions) {
    this.#pool = pool;
    this.#table = options.table ?? DEFAULT_TABLE;
    this.#deadlineMs = options.deadlineMs ?? 2_000;
    this.#deadlines = new Deadlines(this.#deadlineMs);
    this.#sweepIntervalMs = options.sweepIntervalMs ?? 60_000;
    this.#claimStatement =
      `INSERT INTO ${this.#table} AS r (key, expires) VALUES ($1, clock_timestamp() + $2) ` +
      'ON CONFLICT (key) DO UPDATE SET expires = excluded.expires WHERE r.expires <= clock_timestamp() ' +
      "RETURNING current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync";
  }

  async claim(key: string, ttlMs: number, issuedAt?: number): Promise<boolean> {
    checkClaim(key, ttlMs, issuedAt);
    if (this.#waiting >= MAXIMUM_WAITING) throw refuseChallenge('ERR_STORE_UNAVAILABLE', 'too many claims are waiting');
    try {
      return await this.#deadlines.bound(this.#claim(key, ttlMs));
    } catch (error) {
      throw storeFailure(error);
    }
  }

  async #claim(key: string, ttlMs: number): Promise<boolean> {
    // Until it has ended, not until its deadline: what is late may still wait, for the look at the table too.
    this.#waiting++;
    try {
      await this.#requireLoggedTable();
      this.#sweep();
      const rows = await this.#autocommit(this.#claimStatement, [key, `${ttlMs} milliseconds`]);
      if (rows.length === 0) return false;
      const { synchronous_commit: commit, fsync } = rows[0] ?? {};
      if (fsync !== 'on' || (commit !== 'on' && commit !== 'remote_apply')) {
        throw refuseChallenge('ERR_STORE_CONFIGURATION', `synchronous_commit is ${commit}, fsync ${fsync}`);
      }
      return true;
    } finally {
      this.#waiting--;
    }
  }

  /** Runs one statement that commits by itself, on a connection that nobody has left inside a transaction. */
  async #autocommit(statement: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    const started = performance.now();
    let client: PostgresClient | undefined;
    let clean = false;
    try {
      client = (await this.#pool.connect()) as PostgresClient;
      if (performance.now() - started > this.#deadlineMs) {
        clean = true;
        throw refuseChallenge('ERR_STORE_TIMEOUT');
      }
      await refuseTransaction(client);
      const { rows } = await this.#deadlines.bound(client.query(statement, values));
      await refuseTransaction(client, 'after');
      clean = true;
      return rows;
    } catch (error) {
      throw postgresFailure(error);
    } finally {
      // What was late, failed or was left inside a transaction is not used again.
      client?.release(!clean);
    }
  }

  /** An unlogged table is empty after a crash; a view or a temporary table is not what the others see. */
  #requireLoggedTable(): Promise<void> {
    this.#tableChecked ??= this.#checkTable().catch((error) => {
      this.#tableChecked = undefined;
      throw error;
    });
    return this.#tableChecked;
  }

  async #checkTable(): Promise<void> {
    const rows = await this.#autocommit(
      'SELECT c.relkind::text AS kind, c.relpersistence::text AS persistence FROM pg_class c WHERE c.oid = to_regclass($1)',
      [this.#table],
    );
    const { kind, persistence } = rows[0] ?? {};
    if (kind !== 'r' || persistence !== 'p') {
      throw refuseChallenge('ERR_STORE_CONFIGURATION', `${this.#table} is not a logged table`);
    }
  }

  /** Deletes some of what has ended, by the server's clock. Nobody waits for it. */
  #sweep(): void {
    if (performance.now() - this.#sweptAt < this.#sweepIntervalMs) return;
    this.#sweptAt = performance.now();
    const ended = `SELECT key FROM ${this.#table} WHERE expires <= clock_timestamp() LIMIT ${SWEPT_AT_ONCE}`;
    this.#autocommit(`DELETE FROM ${this.#table} WHERE key IN (${ended}) AND expires <= clock_timestamp()`, []).catch(
      () => {},
    );
  }
}

/** A connection that its last user left inside a transaction would take a claim back when that is rolled back. */
async function refuseTransaction(client: PostgresClient, when: 'before' | 'after' = 'before'): Promise<void> {
  let outside: boolean;
  if (typeof client.getTransactionStatus === 'function') outside = client.getTransactionStatus() === 'I';
  else if (when === 'after') return;
  else {
    // The simple protocol starts a transaction of its own with the statement, unless one is open.
    const { rows } = await client.query('SELECT transaction_timestamp() = statement_timestamp() AS outside');
    outside = rows[0]?.outside === true;
  }
  if (!outside) throw refuseChallenge('ERR_STORE_CONFIGURATION', 'a pooled connection was left inside a transaction');
}
