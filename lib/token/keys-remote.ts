import type { JSONWebKeySet } from 'jose';
import type { VerificationError } from '../base/errors.js';
import { callable, flag, integer, milliseconds, text } from '../base/option-kinds.js';
import type { OptionTable } from '../base/options.js';
import { invalid } from '../base/options.js';
import { parseStrictJson } from '../base/strict-json.js';
import type { VerificationContext } from '../engine/context.js';
import type { PublicKey } from '../engine/engine.js';
import type { TransportContext } from '../http/own-transport.js';
import { serviceTransport } from '../http/own-transport.js';
import { isLoopback } from '../http/service-url.js';
import { tracedExchange } from '../http/traced-exchange.js';
import { type HttpAnswer, HttpError, type Transport } from '../http/transport.js';
import { refuseToken } from './errors.js';
import { checkKeySet, refuseKeySet } from './keys.js';

/** Largest key set that is read, in bytes. Each of the service's certificates carries its own attestation evidence. */
export const MAX_KEY_SET_BYTES = 4 * 1024 * 1024;
const MAX_REMEMBERED_SETS = 64;
/** Unknown kids may cause this many fetches at once, and one more every 30 s: untrusted tokens cost the issuer little. */
const REFRESH_BURST = 5;
const REFRESH_INTERVAL_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_LIFETIME_MS = 3_600_000;

/** What token verification takes from the program that it runs in. */
export interface TokenContext extends VerificationContext, TransportContext {}

/** How an issuer's keys are fetched and for how long they are believed. */
export interface KeyFetchOptions {
  /** Instead of this library's own connections: for a proxy. Keys fetched through one serve no other. */
  fetch?: typeof fetch;
  /** In Node: certificates in PEM that are trusted in place of the bundled roots, when no `fetch` is given. */
  ca?: string;
  /** In Node: URL of an HTTP proxy, false for none; the environment's by default. Not with `fetch`. */
  proxy?: string | false;
  /** For the whole exchange, in milliseconds; 10,000 by default. */
  timeoutMs?: number;
  /** How long a set is used before it is fetched again: what a withdrawn key keeps. One hour by default. */
  lifetimeMs?: number;
  /** Allows plain http to other machines. Off by default; the loopback interface is always allowed. */
  allowInsecureHttp?: boolean;
}

/** Kinds of the members of {@link KeyFetchOptions}. */
export const KEY_FETCH: OptionTable<KeyFetchOptions> = {
  fetch: callable<typeof fetch>(),
  ca: text,
  proxy: { check: (value, name) => (value === false ? false : text.check(value, name)) },
  timeoutMs: milliseconds,
  lifetimeMs: integer(0, Number.MAX_SAFE_INTEGER),
  allowInsecureHttp: flag,
};

/** The keys behind one URL: fetched when needed, one request at a time, however many tokens wait for it. */
class RemoteKeySet {
  readonly #fetchSet: (timeoutMs: number) => Promise<JSONWebKeySet>;
  #set: JSONWebKeySet | undefined;
  #fetchedAt = 0;
  #pending: Promise<JSONWebKeySet> | undefined;
  #refreshes = REFRESH_BURST;
  #creditedAt = performance.now();

  constructor(fetchSet: (timeoutMs: number) => Promise<JSONWebKeySet>) {
    this.#fetchSet = fetchSet;
  }

  /** The set, not older than `lifetimeMs`. */
  current(timeoutMs: number, lifetimeMs: number): Promise<JSONWebKeySet> | JSONWebKeySet {
    const isFresh = performance.now() - this.#fetchedAt < lifetimeMs;
    return this.#set !== undefined && isFresh ? this.#set : this.#load(timeoutMs);
  }

  /** The set as it is now, because `seen` lacks a key; undefined when it has been asked for too often. */
  newerThan(seen: JSONWebKeySet, timeoutMs: number): Promise<JSONWebKeySet> | JSONWebKeySet | undefined {
    if (this.#set !== seen) return this.#set;
    if (this.#pending !== undefined) return this.#pending;
    const credit = Math.floor((performance.now() - this.#creditedAt) / REFRESH_INTERVAL_MS);
    this.#refreshes = Math.min(REFRESH_BURST, this.#refreshes + credit);
    this.#creditedAt += credit * REFRESH_INTERVAL_MS;
    if (this.#refreshes === 0) return undefined;
    this.#refreshes--;
    return this.#load(timeoutMs);
  }

  #load(timeoutMs: number): Promise<JSONWebKeySet> {
    this.#pending ??= this.#fetchSet(timeoutMs)
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

/** Key sets by the `fetch` or the context that they come through, then by certificates and URL. */
const remembered = /* @__PURE__ */ new WeakMap<object, Map<string, RemoteKeySet>>();

function remoteKeySet(context: TokenContext, url: URL, options: KeyFetchOptions): RemoteKeySet {
  const { fetch: fetchFunction, ca, proxy } = options;
  const owner = fetchFunction ?? context;
  const sets = remembered.get(owner) ?? new Map<string, RemoteKeySet>();
  remembered.set(owner, sets);
  const name = JSON.stringify([url, ca, proxy]);
  let set = sets.get(name);
  if (set === undefined) {
    const transport = serviceTransport(context, fetchFunction === undefined ? options : { fetch: fetchFunction });
    set = new RemoteKeySet((timeoutMs) => fetchKeySet(url, transport, timeoutMs));
  }
  // The map keeps the order of use, so that the set unused for longest goes when there are too many.
  sets.delete(name);
  sets.set(name, set);
  const [oldest] = sets.keys();
  if (sets.size > MAX_REMEMBERED_SETS && oldest !== undefined) sets.delete(oldest);
  return set;
}

/**
 * Looks something up in the keys behind `url`, fetching them when none are at hand or theirs is too old, and again
 * when `find` comes back with nothing. Throws ERR_TOKEN_KEYS_UNAVAILABLE or ERR_TOKEN_KEY_SET.
 */
export async function findInRemoteKeys(
  context: TokenContext,
  url: URL,
  options: KeyFetchOptions,
  find: (set: JSONWebKeySet) => PublicKey[],
): Promise<PublicKey[]> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, lifetimeMs = DEFAULT_LIFETIME_MS, allowInsecureHttp } = options;
  const mayBePlain = url.protocol === 'http:' && (allowInsecureHttp || isLoopback(url.hostname));
  if (url.protocol !== 'https:' && !mayBePlain) {
    throw invalid('keys are fetched over https unless allowInsecureHttp is set');
  }
  const remote = remoteKeySet(context, url, options);
  const current = remote.current(timeoutMs, lifetimeMs);
  const set = await current;
  const found = find(set);
  // What was fetched for this very call does not get newer by asking again.
  if (found.length > 0 || current instanceof Promise) return found;
  const newer = await remote.newerThan(set, timeoutMs);
  return newer === undefined ? [] : find(newer);
}

async function fetchKeySet(url: URL, transport: Transport, timeoutMs: number): Promise<JSONWebKeySet> {
  const request = { method: 'GET', url, headers: { Accept: 'application/json' } } as const;
  const limits = { connectTimeoutMs: timeoutMs, timeoutMs, maxBodyBytes: MAX_KEY_SET_BYTES };
  const refuse = (why: string, cause?: unknown): VerificationError =>
    refuseToken('ERR_TOKEN_KEYS_UNAVAILABLE', 'keys of the issuer can be fetched', why, cause);
  let answer: HttpAnswer;
  try {
    answer = await tracedExchange(transport, [request, limits]);
  } catch (error) {
    if (!(error instanceof HttpError)) throw refuse('the issuer could not be asked', error);
    throw error.reason === 'unreadable' ? refuseKeySet(error.message, error) : refuse(error.message, error);
  }
  if (answer.status !== 200) throw refuse(`status ${answer.status}`);
  return parseKeySet(answer.body);
}

/** Reads the body of a key set. Throws ERR_TOKEN_KEY_SET. */
export function parseKeySet(body: Uint8Array): JSONWebKeySet {
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch (error) {
    throw refuseKeySet('not acceptable JSON', error);
  }
  return checkKeySet(value);
}
