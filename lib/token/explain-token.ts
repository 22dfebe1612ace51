import { type Check, VerificationError } from '../base/errors.js';
import { explainClaims } from './checks.js';
import type { AttestationClaims } from './claims.js';
import { decodeUnverifiedToken, type TokenHeader } from './parse.js';
import { normalisePolicy } from './policy.js';
import { timeRules, type VerifyTokenOptions, verifyToken } from './verify-token.js';

/** What became of a token, with every check. Only when `ok` may anything in `claims` be believed. */
export interface TokenVerification {
  ok: boolean;
  checks: Check[];
  header: TokenHeader;
  claims: AttestationClaims;
}

/**
 * Does what {@link verifyToken} does, for people: instead of throwing it lists every check that was made, passed or
 * failed. Checks of claims are listed only when the issuer has signed them.
 *
 * @throws {VerificationError} `ERR_TOKEN_FORMAT` or `ERR_TOKEN_SIZE` for what is no token at all.
 * @throws {AttestationError} 8 when the options are wrong.
 */
export async function explainToken(token: string, options: VerifyTokenOptions): Promise<TokenVerification> {
  const { header, claims } = decodeUnverifiedToken(token);
  try {
    await verifyToken(token, options);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    // Claims are looked at last, several at once: any refusal before them lists itself alone.
    const ofClaims = error.checks.length > 1;
    const checks = ofClaims
      ? [...signatureChecks(header, claims), ...error.checks]
      : [{ name: error.message, ok: false, code: error.code }];
    return { ok: false, checks, header, claims };
  }
  const claimChecks = explainClaims(claims, normalisePolicy(options), timeRules(options));
  return { ok: true, checks: [...signatureChecks(header, claims), ...claimChecks], header, claims };
}

function signatureChecks({ alg, kid }: TokenHeader, { iss }: AttestationClaims): Check[] {
  return [
    { name: 'issuer is the one that was asked for', ok: true, actual: String(iss) },
    { name: "signed with one of the issuer's keys", ok: true, actual: `${alg}, key ${kid}` },
  ];
}
