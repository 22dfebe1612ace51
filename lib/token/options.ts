import type { JSONWebKeySet } from 'jose';
import { date, listOf, numberWithin, oneOf, oneOrMore, text } from '../base/option-kinds.js';
import {
  checkOptions,
  invalid,
  nested,
  type OptionKind,
  type OptionTable,
  required,
  waiting,
} from '../base/options.js';
import type { TimeRules } from './checks.js';
import type { AttestationType, Tee } from './claims.js';
import { TOKEN_ALGORITHMS, type TokenAlgorithm } from './keys.js';
import { KEY_FETCH, type KeyFetchOptions } from './keys-remote.js';
import { acceptedTees, TOKEN_POLICY, type TokenPolicy } from './policy.js';

/** Whose tokens are accepted, by which keys, at which time, and what they must say. */
export interface VerifyTokenOptions extends TokenPolicy {
  /** The service's address as in `iss`, or several; a trailing slash makes no difference, everything else does. */
  issuer: string | readonly string[];
  /**
   * The issuer's keys, or where they are. Default: `{issuer}/certs` of the issuer that the token names, once that is
   * found among `issuer`. With several issuers, keys given here serve them all.
   */
  keys?: JSONWebKeySet | URL;
  /**
   * Accepted signature algorithms, `['RS256']` by default: what the service signs with. What its metadata lists
   * (`id_token_signing_alg_values_supported`) may be given; `none` and HMAC cannot.
   */
  algorithms?: readonly TokenAlgorithm[];
  /** The time to verify at; the current one by default. */
  now?: Date | undefined;
  /** How far the clocks may differ, in seconds; 60 by default, at most 3600. */
  clockTolerance?: number | undefined;
  /** Refuses tokens that were issued longer ago than this many seconds. Default: as long as `exp` says. */
  maxTokenAge?: number;
  /** How keys are fetched and for how long they are believed. */
  keyFetch?: KeyFetchOptions;
}

/** Options whose `attestationType` and `tee` say which claims come back. */
export type NarrowingTokenOptions<Type extends AttestationType, T extends Tee> = VerifyTokenOptions & {
  attestationType?: Type | readonly Type[];
  tee?: T | readonly T[];
};

const MAX_TOLERANCE_SECONDS = 3600;
const DEFAULT_TOLERANCE_SECONDS = 60;

const issuer: OptionKind<string> = {
  check: (value, name) => {
    const given = text.check(value, name);
    if (given.trim() !== given) throw invalid(`${name} has a blank or a line end around it`);
    if (!/^https?:\/\//i.test(given) || !URL.canParse(given)) {
      throw invalid(`${name} must be a URL with its scheme, such as https://…`);
    }
    return given.endsWith('/') ? given.slice(0, -1) : given;
  },
};

/** A set's own entries are looked at when the key is searched for: a malformed set is a refusal of its own. */
const keys: OptionKind<JSONWebKeySet | URL> = {
  check: (value, name) => {
    if (value instanceof URL) return new URL(value.href);
    if (waiting(value) !== '') throw invalid(`${name} must be a key set or a URL${waiting(value)}`);
    return value as JSONWebKeySet;
  },
};

/** Kinds of the members of {@link VerifyTokenOptions}. */
export const VERIFY_TOKEN: OptionTable<VerifyTokenOptions> = /* @__PURE__ */ Object.assign({}, TOKEN_POLICY, {
  issuer: required(oneOrMore(issuer)),
  keys,
  algorithms: { check: (value: unknown, name: string) => listOf(oneOf(...TOKEN_ALGORITHMS), 1).check(value, name) },
  now: date,
  clockTolerance: numberWithin(0, MAX_TOLERANCE_SECONDS),
  maxTokenAge: numberWithin(0, Number.MAX_SAFE_INTEGER),
  keyFetch: nested<KeyFetchOptions>(KEY_FETCH),
});

/** Options after their check, in the form in which they are used. */
export interface CheckedTokenOptions {
  policy: TokenPolicy;
  tees: readonly Tee[];
  time: TimeRules;
  /** Without a slash at the end. */
  issuers: readonly string[];
  algorithms: readonly TokenAlgorithm[];
  keys: JSONWebKeySet | URL | undefined;
  keyFetch: KeyFetchOptions;
}

/** Checks the caller's side. Throws AttestationError 8, so that a mistake in it never reads as an accepted token. */
export function checkTokenOptions(options: VerifyTokenOptions, what = 'verifyToken'): CheckedTokenOptions {
  return usableTokenOptions(checkOptions(what, options, VERIFY_TOKEN));
}

/** The same for options that came out of a table which {@link VERIFY_TOKEN} is part of. */
export function usableTokenOptions(checked: VerifyTokenOptions): CheckedTokenOptions {
  const { now = new Date(), clockTolerance = DEFAULT_TOLERANCE_SECONDS, maxTokenAge } = checked;
  return {
    policy: checked,
    tees: acceptedTees(checked),
    time: { now: Math.floor(now.getTime() / 1000), tolerance: clockTolerance, maxTokenAge },
    issuers: checked.issuer as readonly string[],
    algorithms: checked.algorithms ?? ['RS256'],
    keys: checked.keys,
    keyFetch: checked.keyFetch ?? {},
  };
}
