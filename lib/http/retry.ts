import { delay } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { tracedExchange } from './traced-exchange.js';
import type { ExchangeLimits, HttpAnswer, HttpRequest, Transport } from './transport.js';

/**
 * When and how often a request is repeated. The wait before repetition k (from 0) is
 * `min(baseDelayMs · 2^k, maxDelayMs)`, or what the server asks for by Retry-After when that is longer, up to
 * `maxRetryAfterMs`; then up to `jitter` times the wait is added at random.
 *
 * The reference library waits 5, 10 and 20 s for the attestation service and 30, 60 and 120 s for instance metadata,
 * and as long as Retry-After says.
 */
export interface RetryOptions {
  /** Repetitions after the first try. Default 3. */
  retries?: number;
  /** Default 1,000. */
  baseDelayMs?: number;
  /** Default 30,000. */
  maxDelayMs?: number;
  /** From 0 to 1. Default 0.5. */
  jitter?: number;
  /** Default 60,000. */
  maxRetryAfterMs?: number;
}

const DEFAULTS: Required<RetryOptions> = {
  retries: 3,
  baseDelayMs: 1_000,
  maxDelayMs: 30_000,
  jitter: 0.5,
  maxRetryAfterMs: 60_000,
};

/** Longer waits do not fit a Node timer. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/** Fills in the defaults. @throws AttestationError 8 for a value out of range. */
export function retrySettings(options: RetryOptions = {}): Required<RetryOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'retry must be an object');
  }
  const settings = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof RetryOptions)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const limit = name === 'jitter' ? 1 : name === 'retries' ? 100 : MAX_MILLISECONDS;
    const valid = typeof value === 'number' && value >= 0 && value <= limit;
    if (!valid || (name === 'retries' && !Number.isInteger(value))) {
      throw new AttestationError(
        ErrorCode.INVALID_INPUT_PARAMETER,
        `retry.${name} must be a number from 0 to ${limit}`,
      );
    }
    settings[name] = value;
  }
  return settings;
}

/** How one peer is talked to. */
export interface HttpSettings {
  transport: Transport;
  limits: ExchangeLimits;
  retry: Required<RetryOptions>;
  /** Statuses that a repetition may cure. */
  retryOn: (status: number) => boolean;
  logger: Logger;
}

/** 408, 429 and every server error. */
export const retryOnOverload = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Sends a request and repeats it while its status says so. Resolves with the last answer, which may still have such a
 * status: {@link HttpSettings.retryOn} tells. Failures without an answer are not repeated.
 */
export async function sendWithRetry(
  settings: HttpSettings,
  request: HttpRequest,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  for (let attempt = 0; ; attempt++) {
    const answer = await tracedExchange(settings.transport, [request, settings.limits, signal], attempt);
    if (!settings.retryOn(answer.status) || attempt >= settings.retry.retries) return answer;
    const wait = retryDelay(settings.retry, attempt, answer.headers['retry-after']);
    settings.logger.warn(
      `${request.url.host} answered ${answer.status}; repetition ${attempt + 1} of ${settings.retry.retries} in ${Math.round(wait)} ms`,
    );
    await delay(wait, signal);
  }
}

/** The wait in milliseconds before repetition `attempt`, from 0. */
export function retryDelay(
  retry: Required<RetryOptions>,
  attempt: number,
  retryAfter?: string,
  now = Date.now(),
): number {
  const backOff = Math.min(retry.baseDelayMs * 2 ** attempt, retry.maxDelayMs);
  const asked = Math.min(retryAfterMs(retryAfter, now), retry.maxRetryAfterMs);
  const wait = Math.max(backOff, asked);
  return Math.min(wait + Math.random() * retry.jitter * wait, MAX_MILLISECONDS);
}

/** Retry-After (RFC 9110 section 10.2.3): seconds or a date; 0 for neither. */
function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
