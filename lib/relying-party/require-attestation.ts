import type { IncomingMessage, ServerResponse } from 'node:http';
import { VerificationError } from '../base/errors.js';
import { verifyToken } from '../node/token.js';
import type { AttestationClaims } from '../token/claims.js';
import { refuseToken, TOKEN_REFUSALS, type TokenErrorCode } from '../token/errors.js';
import { checkTokenOptions, type VerifyTokenOptions } from '../token/options.js';
import type { TokenPolicy } from '../token/policy.js';

export interface RequireAttestationOptions extends VerifyTokenOptions {
  /** Header that holds the bare token, in place of `Authorization: Bearer …`. */
  header?: string;
  /** What this very request's token must say besides, for instance the nonce that its session was given. */
  expect?: (request: IncomingMessage) => TokenPolicy | Promise<TokenPolicy>;
}

/**
 * Lets a request through or answers it. Resolves with whether it was let through; calls `next` then, or with the error
 * when something went wrong that is neither the client's nor the issuer's fault.
 */
export type AttestationGuard = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => Promise<boolean>;

const attested = new WeakMap<IncomingMessage, AttestationClaims>();

/** Codes that say that the issuer failed, not the client. */
const ISSUER_FAILURES: readonly string[] = ['ERR_TOKEN_KEYS_UNAVAILABLE', 'ERR_TOKEN_KEY_SET'];
const RETRY_AFTER_SECONDS = 5;

/** Claims of the token that {@link requireAttestation} has let a request through with. */
export function attestationOf(request: IncomingMessage): AttestationClaims | undefined {
  return attested.get(request);
}

/**
 * Guards a server: only requests with a token that {@link verifyToken} accepts pass. The others are answered 401, or 503
 * when the issuer's keys cannot be had, with `{"error":{"code":"ERR_TOKEN_…","message":"…"}}`. What was expected is not
 * said, so that a stranger does not learn the policy.
 *
 * Works on `node:http` (`if (!(await guard(request, response))) return;`), as Express middleware (`app.use(guard)`) and
 * in a Fastify hook (with `request.raw` and `reply.raw`). A token is a bearer's until it expires: give a nonce by
 * `expect` where a replayed one must not pass.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function requireAttestation(options: RequireAttestationOptions): AttestationGuard {
  const { header, expect, ...tokenOptions } = options;
  checkTokenOptions(tokenOptions);
  return async (request, response, next) => {
    try {
      const more = expect === undefined ? {} : await expect(request);
      const claims = await verifyToken(tokenOf(request, header), { ...tokenOptions, ...more });
      attested.set(request, claims);
    } catch (error) {
      if (error instanceof VerificationError) refuse(response, error.code as TokenErrorCode);
      else if (next !== undefined) next(error);
      else answer(response, 500, 'ERR_INTERNAL', 'The request could not be checked.');
      return false;
    }
    next?.();
    return true;
  };
}

function tokenOf(request: IncomingMessage, header: string | undefined): string {
  const name = (header ?? 'authorization').toLowerCase();
  const [value, ...others] = request.headersDistinct[name] ?? [];
  if (value === undefined) throw refuseToken('ERR_TOKEN_MISSING');
  if (others.length > 0) throw refuseToken('ERR_TOKEN_FORMAT', 'there is more than one');
  if (header !== undefined) return value;
  const [scheme = '', token = '', ...rest] = value.split(' ');
  if (scheme.toLowerCase() !== 'bearer' || token === '' || rest.length > 0) throw refuseToken('ERR_TOKEN_MISSING');
  return token;
}

function refuse(response: ServerResponse, code: TokenErrorCode): void {
  const message = TOKEN_REFUSALS[code];
  if (ISSUER_FAILURES.includes(code)) {
    response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
    answer(response, 503, code, message);
    return;
  }
  // RFC 6750 section 3: no error code for a request that carries no token at all.
  const challenge =
    code === 'ERR_TOKEN_MISSING' ? 'Bearer' : `Bearer error="invalid_token", error_description="${code}"`;
  response.setHeader('WWW-Authenticate', challenge);
  answer(response, 401, code, message);
}

function answer(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({ error: { code, message } }));
}
