import type { KeyObject } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { JWSSignatureVerificationFailed } from 'jose/errors';
import { compactVerify } from 'jose/jws/compact/verify';
import { type OptionNames, refuseUnknownOptions } from '../base/option-names.js';
import { traced } from '../base/tracing.js';
import { checkClaims, type TimeRules } from './checks.js';
import type { AttestationClaims } from './claims.js';
import { refuseToken } from './errors.js';
import { checkKeySet, findKeys, TOKEN_ALGORITHMS, type TokenAlgorithm } from './keys.js';
import { findInRemoteKeys, type KeyFetchOptions } from './keys-remote.js';
import { parseClaims, splitToken, type TokenHeader } from './parse.js';
import { invalid, normalisePolicy, POLICY_NAMES, type TokenPolicy } from './policy.js';

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
  now?: Date;
  /** How far the clocks may differ, in seconds; 60 by default, at most 3600. */
  clockTolerance?: number;
  /** Refuses tokens that were issued longer ago than this many seconds. Default: as long as `exp` says. */
  maxTokenAge?: number;
  /** How keys are fetched and for how long they are believed. */
  keyFetch?: KeyFetchOptions;
}

const OPTION_NAMES = {
  ...POLICY_NAMES,
  issuer: true,
  keys: true,
  algorithms: true,
  now: true,
  clockTolerance: true,
  maxTokenAge: true,
  keyFetch: true,
} satisfies OptionNames<VerifyTokenOptions>;

const MAX_TOLERANCE_SECONDS = 3600;
const DEFAULT_TOLERANCE_SECONDS = 60;
const DEFAULT_ALGORITHMS: readonly TokenAlgorithm[] = ['RS256'];

/**
 * Verifies an attestation token and returns its claims.
 *
 * The signature must be by a key of a configured issuer; key material and addresses in the token's header are never
 * used. A token must fit in 64 KiB, nest no deeper than 32 levels and name no claim twice. By default it must also
 * be about an SEV-SNP machine that is compliant, cannot be debugged or migrated, and reports from VMPL 0; the other
 * expectations are checked when given.
 *
 * @throws {VerificationError} with one of the `ERR_TOKEN_…` codes of {@link TOKEN_REFUSALS}; once the signature is good,
 *   `checks` lists every check that was made, not only the first that failed.
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function verifyToken(token: string, options: VerifyTokenOptions): Promise<AttestationClaims> {
  return traced({ name: 'verifyToken' }, () => verifiedClaims(token, options));
}

async function verifiedClaims(token: string, options: VerifyTokenOptions): Promise<AttestationClaims> {
  const { policy, time, issuers, algorithms } = checkTokenOptions(options);
  const parts = splitToken(token);
  const { header } = parts;
  const algorithm = algorithms.find((allowed) => allowed === header.alg);
  if (algorithm === undefined) {
    throw refuseToken('ERR_TOKEN_ALGORITHM', `alg is ${JSON.stringify(header.alg.slice(0, 32))}`);
  }
  // jose understands `b64` (RFC 7797), which makes another payload of the same text than the one parsed here.
  if (header.crit !== undefined || header.b64 !== undefined) throw refuseToken('ERR_TOKEN_CRITICAL_HEADER');
  const claims = parseClaims(parts);
  const issuer = issuerOf(claims, issuers);
  if (!jkuBelongsTo(header, issuer, options.keys)) throw refuseToken('ERR_TOKEN_JKU');
  const keys = await signatureKeys(header, algorithm, issuer, options);
  await checkSignature(token, keys, algorithm);
  const refusal = checkClaims(claims, policy, time);
  if (refusal !== undefined) throw refusal;
  return claims as unknown as AttestationClaims;
}

/** Checks the caller's side. Throws AttestationError 8. */
export function checkTokenOptions(options: VerifyTokenOptions) {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object with the issuer');
  refuseUnknownOptions(options, OPTION_NAMES);
  return {
    policy: normalisePolicy(options),
    time: timeRules(options),
    issuers: configuredIssuers(options.issuer),
    algorithms: configuredAlgorithms(options.algorithms),
  };
}

function configuredIssuers(issuer: VerifyTokenOptions['issuer']): readonly string[] {
  const issuers = typeof issuer === 'string' ? [issuer] : issuer;
  if (!Array.isArray(issuers) || issuers.length === 0 || issuers.some((one) => typeof one !== 'string' || one === '')) {
    throw invalid('issuer must be the service’s address or a list of them');
  }
  return issuers.map(withoutSlash);
}

function configuredAlgorithms(algorithms: VerifyTokenOptions['algorithms']): readonly TokenAlgorithm[] {
  if (algorithms === undefined) return DEFAULT_ALGORITHMS;
  if (algorithms.length === 0 || !algorithms.every((algorithm) => TOKEN_ALGORITHMS.includes(algorithm))) {
    throw invalid(`algorithms must be a list out of ${TOKEN_ALGORITHMS.join(', ')}`);
  }
  return algorithms;
}

/** The clock and the tolerances of the options. Throws AttestationError 8. */
export function timeRules(options: VerifyTokenOptions): TimeRules {
  const { now = new Date(), clockTolerance: tolerance = DEFAULT_TOLERANCE_SECONDS, maxTokenAge } = options;
  if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw invalid('now must be a valid Date');
  if (!Number.isFinite(tolerance) || tolerance < 0 || tolerance > MAX_TOLERANCE_SECONDS) {
    throw invalid(`clockTolerance must be 0 to ${MAX_TOLERANCE_SECONDS} seconds`);
  }
  if (maxTokenAge !== undefined && (!Number.isFinite(maxTokenAge) || maxTokenAge < 0)) {
    throw invalid('maxTokenAge must be a number of seconds');
  }
  return { now: Math.floor(now.getTime() / 1000), tolerance, maxTokenAge };
}

/** The configured issuer that an unverified token names: chooses the keys, so it comes before the signature. */
function issuerOf(claims: Record<string, unknown>, issuers: readonly string[]): string {
  const named = claims.iss;
  if (typeof named !== 'string') throw refuseToken('ERR_TOKEN_ISSUER', 'iss is missing or not a string');
  const issuer = withoutSlash(named);
  if (!issuers.includes(issuer)) throw refuseToken('ERR_TOKEN_ISSUER', `iss is ${JSON.stringify(named.slice(0, 200))}`);
  return issuer;
}

/** `jku` is not used; one that points elsewhere says that the token was made for readers who do use it. */
function jkuBelongsTo({ jku }: TokenHeader, issuer: string, keys: VerifyTokenOptions['keys']): boolean {
  if (jku === undefined || jku === `${issuer}/certs`) return true;
  if (keys instanceof URL && jku === keys.href) return true;
  return URL.canParse(jku) && URL.canParse(issuer) && sameOrigin(new URL(jku), new URL(issuer));
}

function sameOrigin(one: URL, other: URL): boolean {
  // An opaque origin reads "null" and equals nothing.
  return one.origin !== 'null' && one.origin === other.origin && one.username === '' && one.password === '';
}

async function signatureKeys(
  { kid }: TokenHeader,
  algorithm: TokenAlgorithm,
  issuer: string,
  { keys, keyFetch = {} }: VerifyTokenOptions,
): Promise<KeyObject[]> {
  if (kid === undefined || kid === '') throw refuseToken('ERR_TOKEN_KEY_ID');
  const find = (set: JSONWebKeySet): KeyObject[] => findKeys(set, kid, algorithm);
  const given = keys !== undefined && !(keys instanceof URL);
  const found = given ? find(checkKeySet(keys)) : await findInRemoteKeys(keys ?? certsUrl(issuer), keyFetch, find);
  if (found.length === 0) throw refuseToken('ERR_TOKEN_KEY_UNKNOWN', `kid is ${JSON.stringify(kid.slice(0, 100))}`);
  return found;
}

function certsUrl(issuer: string): URL {
  if (!URL.canParse(issuer)) throw invalid('issuer is not a URL, so keys must be given');
  return new URL(`${issuer}/certs`);
}

/** Throws unless one of the keys has made the signature. */
async function checkSignature(token: string, keys: readonly KeyObject[], algorithm: TokenAlgorithm): Promise<void> {
  for (const key of keys) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] });
      return;
    } catch (error) {
      if (!(error instanceof JWSSignatureVerificationFailed))
        throw refuseToken('ERR_TOKEN_SIGNATURE', undefined, error);
    }
  }
  throw refuseToken('ERR_TOKEN_SIGNATURE');
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer;
}
