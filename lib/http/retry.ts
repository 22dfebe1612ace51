import { delay } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { unchecked } from '../base/option-kinds.js';
import { checkOptions, type OptionTable } from '../base/options.js';
import { tracedExchange } from './traced-exchange.js';
import { type ExchangeLimits, type HttpAnswer, HttpError, type HttpRequest, type Transport } from './transport.js';

/**
 * When and how often a request is repeated. The wait before repetition k (from 0) is
 * `min(baseDelayMs · 2^k, maxDelayMs)`, or what the server asks for by Retry-After when that is longer, up to
 * `maxRetryAfterMs`; then up to `jitter` times the wait is added at random.
 *
 * The reference library waits 5, 10 and 20 s for the attestation service and 30, 60 and 120 s for instance metadata,
 * and as long as Retry-After says.
 */
export interface RetryOptions {
  /** Repetitions after the first try. Default 3; where it is given, an outage is not waited out beyond them. */
  retries?: number;
  /** Default 1,000. */
  baseDelayMs?: number;
  /** Default 30,000; instance metadata 5,000. */
  maxDelayMs?: number;
  /** From 0 to 1. Default 0.5. */
  jitter?: number;
  /** Default 60,000. */
  maxRetryAfterMs?: number;
  /**
   * How long an outage of instance metadata is waited out, however many repetitions that takes: it is away for up to 70 s
   * while the platform updates it. Default 75,000, or 0 where `retries` is given.
   */
  outageMs?: number;
}

const DEFAULTS: Required<RetryOptions> = {
  retries: 3,
  baseDelayMs: 1_000,
  maxDelayMs: 30_000,
  jitter: 0.5,
  maxRetryAfterMs: 60_000,
  outageMs: 0,
};

/** 408, 429 and every server error. */
export const retryOnOverload = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Every HTTP peer whose requests are repeated: after which statuses, and with what in place of the defaults above. A
 * request that is not in this table (key sets, intermediate certificates) is sent once.
 */
export const HTTP_RETRIES = {
  /** Evidence for the attestation service. A cut connection is not repeated: the evidence may have been served. */
  attestation: { retryOn: retryOnOverload, retryFailures: false, defaults: {} },
  /** AMD's key service: about one answer in ten seconds, and 429 before that. */
  certificates: {
    retryOn: retryOnOverload,
    retryFailures: false,
    defaults: { baseDelayMs: 5_000, maxRetryAfterMs: 120_000 },
  },
  /** A key vault. One that does not answer at all is not asked again: it may be long. */
  vault: { retryOn: retryOnOverload, retryFailures: false, defaults: {} },
  /** Instance metadata and THIM. A 404 counts where the document must exist ({@link HttpRequest.required}). */
  metadata: {
    retryOn: (status: number): boolean => status === 410 || retryOnOverload(status),
    retryFailures: true,
    defaults: { maxDelayMs: 5_000, outageMs: 75_000 },
  },
} as const satisfies Record<
  string,
  Required<Pick<HttpSettings, 'retryOn' | 'retryFailures'>> & { defaults: RetryOptions }
>;

/** Names; ranges are checked below, in words that name the option. */
const TABLE: OptionTable<RetryOptions> = {
  retries: unchecked(),
  baseDelayMs: unchecked(),
  maxDelayMs: unchecked(),
  jitter: unchecked(),
  maxRetryAfterMs: unchecked(),
  outageMs: unchecked(),
};

/** Longer waits do not fit a Node timer. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/** Fills in the defaults, first those of the peer. @throws AttestationError 8 for a value out of range. */
export function retrySettings(options: RetryOptions = {}, peer: RetryOptions = {}): Required<RetryOptions> {
  const given = checkOptions('retry', options, TABLE);
  const settings = { ...DEFAULTS, ...peer };
  if (given.retries !== undefined) settings.outageMs = 0;
  for (const name of Object.keys(DEFAULTS) as (keyof RetryOptions)[]) {
    const value = given[name];
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
  /** Whether a request that may be sent twice is repeated after no answer at all: refused, cut off, too late. */
  retryFailures?: boolean;
  logger: Logger;
}

/** Whether this status of an answer is one to repeat the request after. */
export function isRepeated(settings: HttpSettings, request: HttpRequest, status: number): boolean {
  return settings.retryOn(status) || (status === 404 && request.required === true);
}

/**
 * Sends a request and repeats it while its status says so. Resolves with the last answer, which may still have such a
 * status: {@link isRepeated} tells. Failures without an answer are repeated where the peer is
 * one of which that is expected and the request changes nothing by being sent twice.
 */
export async function sendWithRetry(
  settings: HttpSettings,
  request: HttpRequest,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  const { retry } = settings;
  const repeatable = request.repeatable ?? request.method === 'GET';
  const deadline = performance.now() + (repeatable ? retry.outageMs : 0);
  const failuresToo = repeatable && settings.retryFailures === true;
  for (let attempt = 0; ; attempt++) {
    const outcome = await outcomeOf(settings, request, attempt, signal);
    const { answer } = outcome;
    if (answer !== undefined && !isRepeated(settings, request, answer.status)) return answer;
    const left = deadline - performance.now();
    if (answer === undefined && !failuresToo) throw outcome.error;
    const counted = attempt < retry.retries;
    if (!counted && left <= 0) {
      if (answer === undefined) throw outcome.error;
      return answer;
    }
    const wait = retryDelay(retry, attempt, answer?.headers['retry-after']);
    const bounded = counted ? wait : Math.min(wait, left);
    const said = answer === undefined ? outcome.error.message : `answered ${answer.status}`;
    settings.logger.warn(
      `${request.url.host}: ${said}; repetition ${attempt + 1} in ${Math.round(bounded)} ms${
        left > 0 ? `, an outage is waited out for ${Math.round(left / 1000)} s more` : ` of at most ${retry.retries}`
      }`,
    );
    await delay(bounded, signal);
  }
}

type Outcome = { answer: HttpAnswer; error?: never } | { answer?: never; error: HttpError };

/** An answer, or why there is none. What no repetition can cure is thrown. */
async function outcomeOf(
  { transport, limits }: HttpSettings,
  request: HttpRequest,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    return { answer: await tracedExchange(transport, [request, limits, signal], attempt) };
  } catch (error) {
    if (!(error instanceof HttpError) || error.reason === 'unreadable') throw error;
    return { error };
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
