import type { JSONWebKeySet } from 'jose';
import { type Check, VerificationError } from '../base/errors.js';
import { traced } from '../base/tracing.js';
import type { PublicKey, SignatureEngine } from '../engine/engine.js';
import { verifySignature } from '../engine/verify-signature.js';
import { webcryptoEngine } from '../engine/webcrypto.js';
import { refusalOf } from '../verify/refusal.js';
import { checkClaims } from './checks.js';
import type { AttestationClaims } from './claims.js';
import { refuseToken, type TokenErrorCode } from './errors.js';
import { checkKeySet, findKeys, schemeOf, type TokenAlgorithm } from './keys.js';
import type { TokenContext } from './keys-remote.js';
import { findInRemoteKeys } from './keys-remote.js';
import { type CheckedTokenOptions, checkTokenOptions, type VerifyTokenOptions } from './options.js';
import { parseToken, TOKEN_PARTS, type TokenHeader, type UnverifiedToken } from './parse.js';
import { TokenChecks } from './token-checks.js';

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
    const { checks, found, cause } = await examineToken(context, token, checkTokenOptions(options));
    if (!checks.ok || found === undefined) throw refusalOf(checks.checks, cause);
    return found.claims as unknown as AttestationClaims;
  });
}

/** See `explainToken` of the entry points. */
export async function explainTokenIn(
  context: TokenContext,
  token: string,
  options: VerifyTokenOptions,
): Promise<TokenVerification> {
  const examined = await examineToken(context, token, checkTokenOptions(options, 'explainToken'));
  const { checks, engine, found } = examined;
  const contents = found && { header: found.header, claims: found.claims as unknown as AttestationClaims };
  return { ok: checks.ok, checks: checks.checks, engine, ...contents } as TokenVerification;
}

interface Examination {
  checks: TokenChecks;
  engine: SignatureEngine['name'];
  found?: UnverifiedToken;
  cause?: unknown;
}

/**
 * Makes every check in order. What comes before the claims ends the examination, since nothing further in the token has been
 * signed by the issuer then; the checks of the claims are all made.
 */
async function examineToken(context: TokenContext, text: string, options: CheckedTokenOptions): Promise<Examination> {
  const checks = new TokenChecks();
  const examination: Examination = { checks, engine: 'webcrypto' };
  try {
    const token = parseToken(text);
    examination.found = token;
    checks.found(TOKEN_PARTS, 'ERR_TOKEN_FORMAT', true);
    const algorithm = checkHeader(checks, token.header, options.algorithms);
    const engine = engineFor(context, algorithm);
    examination.engine = engine.name;
    const issuer = checkIssuer(checks, token, options);
    const keys = await signatureKeys(context, token.header, algorithm, issuer, options);
    await checkSignature(checks, engine, token, keys, algorithm);
    checkClaims(checks, token.claims, options);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    examination.cause = error.cause;
    for (const { name, actual } of error.checks) {
      checks.found(name, error.code as TokenErrorCode, false, actual === undefined ? {} : { actual });
    }
  }
  return examination;
}

function checkHeader(checks: TokenChecks, header: TokenHeader, algorithms: readonly TokenAlgorithm[]): TokenAlgorithm {
  const name = 'signature algorithm';
  const algorithm = algorithms.find((allowed) => allowed === header.alg);
  if (algorithm === undefined) throw refuseToken('ERR_TOKEN_ALGORITHM', name, quoted(header.alg));
  checks.found(name, 'ERR_TOKEN_ALGORITHM', true, { actual: algorithm });
  // `b64` (RFC 7797) would make another payload of the same text than the one parsed here.
  const demanded = header.crit !== undefined ? 'crit' : header.b64 !== undefined ? 'b64' : undefined;
  if (demanded !== undefined)
    throw refuseToken('ERR_TOKEN_CRITICAL_HEADER', 'extensions that the header demands', demanded);
  return algorithm;
}

/** Untrusted text as it is shown: cut, and without control characters. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 200));

/** The configured issuer that an unverified token names: chooses the keys, so it comes before the signature. */
function checkIssuer(
  checks: TokenChecks,
  { header, claims }: UnverifiedToken,
  { issuers, keys }: CheckedTokenOptions,
): string {
  const name = 'issuer (iss)';
  const { iss } = claims;
  if (typeof iss !== 'string') throw refuseToken('ERR_TOKEN_ISSUER', name, 'no text');
  const issuer = iss.endsWith('/') ? iss.slice(0, -1) : iss;
  if (!issuers.includes(issuer)) throw refuseToken('ERR_TOKEN_ISSUER', name, quoted(iss));
  checks.found(name, 'ERR_TOKEN_ISSUER', true, { actual: iss });
  if (!jkuBelongsTo(header, issuer, keys)) throw refuseToken('ERR_TOKEN_JKU', 'key address (jku)', 'not of the issuer');
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
  if (kid === undefined || kid === '') throw refuseToken('ERR_TOKEN_KEY_ID', 'key of the issuer (kid)', 'none');
  const find = (set: JSONWebKeySet): PublicKey[] => findKeys(set, kid, algorithm);
  const found =
    keys !== undefined && !(keys instanceof URL)
      ? find(checkKeySet(keys))
      : await findInRemoteKeys(context, keys ?? new URL(`${issuer}/certs`), keyFetch, find);
  if (found.length === 0) throw refuseToken('ERR_TOKEN_KEY_UNKNOWN', 'key of the issuer (kid)', quoted(kid));
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
  const name = 'signature by a key of the issuer';
  const scheme = schemeOf(algorithm);
  for (const key of keys) {
    if (!(await verifySignature(engine, key, scheme, signed, signature))) continue;
    checks.found(name, 'ERR_TOKEN_SIGNATURE', true, { actual: `${algorithm}, key ${header.kid}` });
    return;
  }
  throw refuseToken('ERR_TOKEN_SIGNATURE', name, 'by none of them');
}
