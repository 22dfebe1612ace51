import type { JSONWebKeySet } from 'jose';
import { CheckList } from '../base/checks.js';
import { type Check, VerificationError } from '../base/errors.js';
import { traced } from '../base/tracing.js';
import type { PublicKey, SignatureEngine } from '../engine/engine.js';
import { verifySignature } from '../engine/verify-signature.js';
import { webcryptoEngine } from '../engine/webcrypto.js';
import { checkClaims } from './checks.js';
import type { AttestationClaims } from './claims.js';
import { refuseToken, TOKEN_REFUSALS, type TokenChecks, type TokenErrorCode } from './errors.js';
import { checkKeySet, findKeys, schemeOf, type TokenAlgorithm } from './keys.js';
import type { TokenContext } from './keys-remote.js';
import { findInRemoteKeys } from './keys-remote.js';
import { type CheckedTokenOptions, checkTokenOptions, type VerifyTokenOptions } from './options.js';
import { parseToken, type TokenHeader, type UnverifiedToken } from './parse.js';

/** The outcome of a verification, with every check that was made. */
export type TokenVerification<Claims = AttestationClaims> = VerifiedToken<Claims> | RefusedToken;

interface ExaminedToken {
  checks: Check[];
  /** What computed the signature's verdict. */
  engine: SignatureEngine['name'];
}

export interface VerifiedToken<Claims = AttestationClaims> extends ExaminedToken {
  ok: true;
  header: TokenHeader;
  claims: Claims;
}

export interface RefusedToken extends ExaminedToken {
  ok: false;
  /** As found, for display: nothing in it may be believed. Absent when it is not a token at all. */
  header?: TokenHeader;
  /** As found, for display: nothing in it may be believed. Absent when it is not a token at all. */
  claims?: AttestationClaims;
}

/** See `verifyToken` of the entry points. */
export function verifyTokenIn(
  context: TokenContext,
  token: string,
  options: VerifyTokenOptions,
): Promise<AttestationClaims> {
  return traced({ name: 'verifyToken' }, async () => {
    const examined = await examineToken(context, token, checkTokenOptions(options));
    if (examined.refusal !== undefined) throw examined.refusal;
    return (examined.token as UnverifiedToken).claims as unknown as AttestationClaims;
  });
}

/** See `explainToken` of the entry points. */
export async function explainTokenIn(
  context: TokenContext,
  token: string,
  options: VerifyTokenOptions,
): Promise<TokenVerification> {
  const examined = await examineToken(context, token, checkTokenOptions(options, 'explainToken'));
  const found = examined.token && {
    header: examined.token.header,
    claims: examined.token.claims as unknown as AttestationClaims,
  };
  const { checks, engine } = examined;
  if (examined.refusal === undefined && found !== undefined)
    return { ok: true, checks: checks.checks, engine, ...found };
  return { ok: false, checks: checks.checks, engine, ...found };
}

interface Examination {
  checks: TokenChecks;
  engine: SignatureEngine['name'];
  token?: UnverifiedToken;
  refusal?: VerificationError;
}

/**
 * Makes every check in order. What comes before the claims ends the examination, since nothing further in the token has been
 * signed by the issuer then; the checks of the claims are all made.
 */
async function examineToken(context: TokenContext, text: string, options: CheckedTokenOptions): Promise<Examination> {
  const checks = new CheckList<TokenErrorCode>();
  const examination: Examination = { checks, engine: 'webcrypto' };
  try {
    const token = parseToken(text);
    examination.token = token;
    checks.add(undefined, 'three parts of base64url with JSON objects', 'ERR_TOKEN_FORMAT', true);
    const algorithm = checkHeader(checks, token.header, options.algorithms);
    const engine = engineFor(context, algorithm);
    examination.engine = engine.name;
    const issuer = checkIssuer(checks, token, options);
    const keys = await signatureKeys(context, token.header, algorithm, issuer, options);
    await checkSignature(checks, engine, token, keys, algorithm);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    const code = error.code as TokenErrorCode;
    const { message, cause } = error;
    checks.add(
      undefined,
      TOKEN_REFUSALS[code],
      code,
      false,
      message === TOKEN_REFUSALS[code] ? {} : { actual: message },
    );
    examination.refusal = new VerificationError(code, message, checks.checks, cause);
    return examination;
  }
  checkClaims(checks, examination.token.claims, options.policy, options.time);
  if (!checks.ok) examination.refusal = claimsRefusal(checks);
  return examination;
}

function checkHeader(checks: TokenChecks, header: TokenHeader, algorithms: readonly TokenAlgorithm[]): TokenAlgorithm {
  const algorithm = algorithms.find((allowed) => allowed === header.alg);
  if (algorithm === undefined) {
    throw refuseToken('ERR_TOKEN_ALGORITHM', `alg is ${JSON.stringify(header.alg.slice(0, 32))}`);
  }
  checks.add(undefined, 'algorithm is allowed', 'ERR_TOKEN_ALGORITHM', true, { actual: algorithm });
  // `b64` (RFC 7797) would make another payload of the same text than the one parsed here.
  if (header.crit !== undefined || header.b64 !== undefined) throw refuseToken('ERR_TOKEN_CRITICAL_HEADER');
  return algorithm;
}

/** The configured issuer that an unverified token names: chooses the keys, so it comes before the signature. */
function checkIssuer(
  checks: TokenChecks,
  { header, claims }: UnverifiedToken,
  { issuers, keys }: CheckedTokenOptions,
): string {
  const named = claims.iss;
  if (typeof named !== 'string') throw refuseToken('ERR_TOKEN_ISSUER', 'iss is missing or not a string');
  const issuer = named.endsWith('/') ? named.slice(0, -1) : named;
  if (!issuers.includes(issuer)) throw refuseToken('ERR_TOKEN_ISSUER', `iss is ${JSON.stringify(named.slice(0, 200))}`);
  checks.add(undefined, 'issuer is the one that was asked for', 'ERR_TOKEN_ISSUER', true, { actual: named });
  if (!jkuBelongsTo(header, issuer, keys)) throw refuseToken('ERR_TOKEN_JKU');
  return issuer;
}

/** `jku` is not used; one that points elsewhere says that the token was made for readers who do use it. */
function jkuBelongsTo({ jku }: TokenHeader, issuer: string, keys: VerifyTokenOptions['keys']): boolean {
  if (jku === undefined || jku === `${issuer}/certs`) return true;
  if (keys instanceof URL && jku === keys.href) return true;
  return URL.canParse(jku) && sameOrigin(new URL(jku), new URL(issuer));
}

function sameOrigin(one: URL, other: URL): boolean {
  // An opaque origin reads "null" and equals nothing.
  return one.origin !== 'null' && one.origin === other.origin && one.username === '' && one.password === '';
}

async function signatureKeys(
  context: TokenContext,
  { kid }: TokenHeader,
  algorithm: TokenAlgorithm,
  issuer: string,
  { keys, keyFetch }: CheckedTokenOptions,
): Promise<PublicKey[]> {
  if (kid === undefined || kid === '') throw refuseToken('ERR_TOKEN_KEY_ID');
  const find = (set: JSONWebKeySet): PublicKey[] => findKeys(set, kid, algorithm);
  const found =
    keys !== undefined && !(keys instanceof URL)
      ? find(checkKeySet(keys))
      : await findInRemoteKeys(context, keys ?? new URL(`${issuer}/certs`), keyFetch, find);
  if (found.length === 0) throw refuseToken('ERR_TOKEN_KEY_UNKNOWN', `kid is ${JSON.stringify(kid.slice(0, 100))}`);
  return found;
}

/** Curves whose verification takes milliseconds are computed off the thread, whatever the engine. */
function engineFor({ engine }: TokenContext, algorithm: TokenAlgorithm): SignatureEngine {
  return algorithm === 'ES384' || algorithm === 'ES512' ? webcryptoEngine : engine;
}

/** Throws unless one of the keys has made the signature. */
async function checkSignature(
  checks: TokenChecks,
  engine: SignatureEngine,
  { header, signed, signature }: UnverifiedToken,
  keys: readonly PublicKey[],
  algorithm: TokenAlgorithm,
): Promise<void> {
  const scheme = schemeOf(algorithm);
  for (const key of keys) {
    if (!(await verifySignature(engine, key, scheme, signed, signature))) continue;
    const actual = `${algorithm}, key ${header.kid}`;
    checks.add(undefined, 'signed with one of the issuer’s keys', 'ERR_TOKEN_SIGNATURE', true, { actual });
    return;
  }
  throw refuseToken('ERR_TOKEN_SIGNATURE');
}

/** The first of the claims' failures, with the values that were compared. */
function claimsRefusal(checks: CheckList<TokenErrorCode>): VerificationError {
  const failed = checks.firstFailure;
  const code = failed?.code as TokenErrorCode;
  const values = failed?.expected === undefined ? '' : ` (expected ${failed.expected}, found ${failed.actual})`;
  return new VerificationError(code, `${TOKEN_REFUSALS[code].slice(0, -1)}${values}.`, checks.checks);
}
