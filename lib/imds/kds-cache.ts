import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/logger.js';

const REMEMBERED = 256;
const MAXIMUM_FILE = 256 * 1024;

/** `$XDG_CACHE_HOME/cvm-guest-attestation/kds`, by default under `~/.cache`. */
export function defaultKdsCacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'cvm-guest-attestation', 'kds');
}

/**
 * What the key service answered, in memory and, when there is a directory, on disk. Nothing in it is trusted: a verifier
 * checks every certificate against AMD's roots, so a spoilt file costs a refusal or a new request and nothing else. A
 * directory that cannot be used is logged once for each file and does not stop anything.
 */
export class KdsCache {
  readonly #memory = new Map<string, { data: Buffer; storedAt: number }>();

  constructor(
    readonly directory: string | undefined,
    readonly logger: Logger,
  ) {}

  /** The entry, unless it is older than `maxAgeMs`. `name` is made of letters, digits, dots and dashes. */
  async get(name: string, maxAgeMs: number): Promise<Buffer | undefined> {
    const known = this.#memory.get(name);
    if (known !== undefined && isFresh(known.storedAt, maxAgeMs)) return known.data;
    if (this.directory === undefined) return undefined;
    const path = join(this.directory, name);
    try {
      const { size, mtimeMs } = await stat(path);
      if (size === 0 || size > MAXIMUM_FILE || !isFresh(mtimeMs, maxAgeMs)) return undefined;
      const data = await readFile(path);
      this.#remember(name, data, mtimeMs);
      return data;
    } catch (error) {
      if (!isMissing(error)) this.logger.warn(`the certificate cache cannot be read: ${message(error)}`);
      return undefined;
    }
  }

  /** Stores an entry: a reader in another process sees the old file or the new one, never half of one. */
  async put(name: string, data: Buffer): Promise<void> {
    this.#remember(name, data, Date.now());
    if (this.directory === undefined) return;
    const temporary = join(this.directory, `.${randomUUID()}.tmp`);
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      await writeFile(temporary, data, { mode: 0o600, flag: 'wx' });
      await rename(temporary, join(this.directory, name));
    } catch (error) {
      this.logger.warn(`the certificate cache cannot be written: ${message(error)}`);
      await rm(temporary, { force: true }).catch(() => {});
    }
  }

  /** Forgets an entry that turned out to be of no use. */
  async drop(name: string): Promise<void> {
    this.#memory.delete(name);
    if (this.directory !== undefined) await rm(join(this.directory, name), { force: true }).catch(() => {});
  }

  #remember(name: string, data: Buffer, storedAt: number): void {
    this.#memory.delete(name);
    this.#memory.set(name, { data, storedAt });
    if (this.#memory.size > REMEMBERED) this.#memory.delete(this.#memory.keys().next().value as string);
  }
}

// A file from the future counts as old: its clock says nothing.
function isFresh(storedAt: number, maxAgeMs: number): boolean {
  const age = Date.now() - storedAt;
  return age >= -1000 && age <= maxAgeMs;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
