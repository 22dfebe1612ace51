import { isUnavailable } from '../refusals.js';

/** Why a guard refuses a request, besides the codes of tokens (`ERR_TOKEN_…`) and challenges (`ERR_CHALLENGE_…`). */
export const REQUEST_REFUSALS = Object.freeze({
  ERR_PROOF_REQUIRED: 'The request does not prove that it comes from the machine that the token is about.',
  ERR_PROOF_FORMAT: 'The proof of possession is not a challenge and 43 characters of base64url.',
  ERR_PROOF: 'The proof of possession is not by the token’s key for this request.',
  ERR_CHANNEL_MACHINE: 'The token is about another machine than the one at the other end of the channel.',
  ERR_REQUEST_TARGET: 'The request target changes when a URL is made of it, so that a proof for it proves nothing.',
  ERR_INTERNAL: 'The request could not be checked.',
} as const);

export type RequestRefusalCode = keyof typeof REQUEST_REFUSALS;

const RETRY_AFTER_SECONDS = 5;
const TOKEN_KEYS_FAILURES: readonly string[] = ['ERR_TOKEN_KEYS_UNAVAILABLE', 'ERR_TOKEN_KEY_SET'];

/** A request that does not pass, as the answer to send. What was expected is not said: it would tell the policy. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  /** 401, 400 for a target that no proof can be for, 503 when it could not be told, 500 when the guard itself is at fault. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON: `{"error":{"code":"ERR_…","message":"…"}}`. */
  readonly body: string;
  /** `ERR_…`. */
  readonly code: string;

  constructor(code: string, message: string, answer: RefusalAnswer = {}) {
    super(message, answer.cause === undefined ? undefined : { cause: answer.cause });
    this.code = code;
    this.status = answer.status ?? statusOf(code);
    this.body = JSON.stringify({ error: { code, message }, ...answer.members });
    this.headers = {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      ...(this.status === 503 && { 'Retry-After': String(RETRY_AFTER_SECONDS) }),
      ...(this.status === 401 && { 'WWW-Authenticate': answer.authenticate ?? bearerChallenge(code) }),
    };
  }
}

interface RefusalAnswer {
  status?: number;
  /** Value of WWW-Authenticate on a 401. */
  authenticate?: string;
  /** Further members of the body. */
  members?: Readonly<Record<string, string>>;
  cause?: unknown;
}

function statusOf(code: string): number {
  if (code === 'ERR_INTERNAL') return 500;
  if (code === 'ERR_REQUEST_TARGET') return 400;
  return isUnavailable(code) || TOKEN_KEYS_FAILURES.includes(code) ? 503 : 401;
}

/** RFC 6750 section 3: no error code for a request that carries no token at all. */
function bearerChallenge(code: string): string {
  return code === 'ERR_TOKEN_MISSING' ? 'Bearer' : `Bearer error="invalid_token", error_description="${code}"`;
}
