import { isUtf8 } from 'node:buffer';
import type { JSONWebKeySet } from 'jose';
import { VerificationError } from '../errors.js';
import { checkKeySet } from './keys.js';
import { requireSecureTransport } from './service-url.js';
import { parseStrictJson } from './strict-json.js';
import { refuseToken } from './token-errors.js';

/** Largest key set that is read, in bytes. Each of the service's certificates carries its own attestation evidence. */
export const MAX_KEY_SET_BYTES = 4 * 1024 * 1024;
const MAX_KEY_SET_NESTING = 16;
const MAX_REMEMBERED_SETS = 64;
/** Unknown kids may cause this many fetches at once, and one more every 30 s: a stranger's tokens cost the issuer little. */
const REFRESH_BURST = 5;
const REFRESH_INTERVAL_MS = 30_000;

/** How an issuer's keys are fetched and for how long they are believed. */
export interface KeyFetchOptions {
  /** Instead of the global `fetch`. Keys fetched through one are not used for another. */
  fetch?: typeof fetch;
  /** For the whole exchange, in milliseconds; 10,000 by default. */
  timeoutMs?: number;
  /** How long a set is used before it is fetched again: what a withdrawn key keeps. One hour by default. */
  lifetimeMs?: number;
  /** Allows plain http to other machines. Off by default; the loopback interface is always allowed. */
  allowInsecureHttp?: boolean;
}

/** The keys behind one URL: fetched when needed, one request at a time, however many tokens wait for it. */
class RemoteKeySet {
  readonly #url: URL;
  readonly #fetch: typeof fetch;
  #set: JSONWebKeySet | undefined;
  #fetchedAt = 0;
  #pending: Promise<JSONWebKeySet> | undefined;
  #refreshes = REFRESH_BURST;
  #creditedAt = performance.now();

  constructor(url: URL, fetchFunction: typeof fetch) {
    this.#url = url;
    this.#fetch = fetchFunction;
  }

  /** The set, not older than `lifetimeMs`. */
  current(timeoutMs: number, lifetimeMs: number): Promise<JSONWebKeySet> | JSONWebKeySet {
    if (this.#set !== undefined && performance.now() - this.#fetchedAt < lifetimeMs) return this.#set;
    return this.#load(timeoutMs);
  }

  /** The set as it is now, because `seen` lacks a key; undefined when it has been asked for too often. */
  newerThan(seen: JSONWebKeySet, timeoutMs: number): Promise<JSONWebKeySet> | JSONWebKeySet | undefined {
    if (this.#set !== undefined && this.#set !== seen) return this.#set;
    if (this.#pending !== undefined) return this.#pending;
    const credit = Math.floor((performance.now() - this.#creditedAt) / REFRESH_INTERVAL_MS);
    if (credit > 0) {
      this.#refreshes = Math.min(REFRESH_BURST, this.#refreshes + credit);
      this.#creditedAt += credit * REFRESH_INTERVAL_MS;
    }
    if (this.#refreshes === 0) return undefined;
    this.#refreshes--;
    return this.#load(timeoutMs);
  }

  #load(timeoutMs: number): Promise<JSONWebKeySet> {
    this.#pending ??= fetchKeySet(this.#url, this.#fetch, timeoutMs)
      .then((set) => {
        this.#set = set;
        this.#fetchedAt = performance.now();
        return set;
      })
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }
}

const remembered = new WeakMap<typeof fetch, Map<string, RemoteKeySet>>();

function remoteKeySet(url: URL, fetchFunction: typeof fetch): RemoteKeySet {
  let sets = remembered.get(fetchFunction);
  if (sets === undefined) {
    sets = new Map();
    remembered.set(fetchFunction, sets);
  }
  const set = sets.get(url.href) ?? new RemoteKeySet(url, fetchFunction);
  // The map keeps the order of use, so that the set unused for longest goes when there are too many.
  sets.delete(url.href);
  sets.set(url.href, set);
  for (const oldest of sets.keys()) {
    if (sets.size <= MAX_REMEMBERED_SETS) break;
    sets.delete(oldest);
  }
  return set;
}

/**
 * Looks something up in the keys behind `url`, fetching them when none are at hand or theirs is too old, and once more
 * when `find` comes back with nothing. Throws ERR_TOKEN_KEYS_UNAVAILABLE or ERR_TOKEN_KEY_SET.
 */
export async function findInRemoteKeys<Found>(
  url: URL,
  options: KeyFetchOptions,
  find: (set: JSONWebKeySet) => Found[],
): Promise<Found[]> {
  const { timeoutMs = 10_000, lifetimeMs = 3_600_000 } = options;
  requireSecureTransport(url, options.allowInsecureHttp ?? false);
  const remote = remoteKeySet(url, options.fetch ?? globalThis.fetch);
  const current = remote.current(timeoutMs, lifetimeMs);
  const set = await current;
  const found = find(set);
  // What was fetched for this very call does not get newer by asking again.
  if (found.length > 0 || current instanceof Promise) return found;
  const newer = await remote.newerThan(set, timeoutMs);
  return newer === undefined ? [] : find(newer);
}

/** Fetches a key set: no redirect followed, at most 4 MiB, all of it within `timeoutMs`. */
export async function fetchKeySet(
  url: URL,
  fetchFunction: typeof fetch,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<JSONWebKeySet> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let body: Buffer;
  try {
    const response = await fetchFunction(url, {
      headers: { accept: 'application/json, application/jwk-set+json' },
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel();
      throw refuseToken('ERR_TOKEN_KEYS_UNAVAILABLE', 'the issuer redirects, which is not followed');
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw refuseToken('ERR_TOKEN_KEYS_UNAVAILABLE', `the issuer answered with status ${response.status}`);
    }
    body = await readBounded(response);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof VerificationError) throw error;
    const because = timeout.aborted ? `no answer within ${timeoutMs} ms` : 'the issuer could not be reached';
    throw refuseToken('ERR_TOKEN_KEYS_UNAVAILABLE', because, error);
  }
  return parseKeySet(body);
}

async function readBounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_KEY_SET_BYTES) throw refuseToken('ERR_TOKEN_KEY_SET', `more than ${MAX_KEY_SET_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseKeySet(body: Buffer): JSONWebKeySet {
  let value: unknown;
  try {
    if (!isUtf8(body)) throw new SyntaxError('not UTF-8');
    value = parseStrictJson(body.toString('utf8'), MAX_KEY_SET_NESTING);
  } catch (error) {
    throw refuseToken('ERR_TOKEN_KEY_SET', 'not acceptable JSON', error);
  }
  return checkKeySet(value);
}
