import { AttestationError, ErrorCode } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { logger, milliseconds, text, unchecked } from '../base/option-kinds.js';
import type { OptionTable } from '../base/options.js';
import { exchange } from '../http/exchange.js';
import type { TransportContext } from '../http/own-transport.js';
import { HTTP_RETRIES, type HttpSettings, type RetryOptions, retrySettings } from '../http/retry.js';

/** Where every Azure VM finds its instance metadata: link-local, plain HTTP, unauthenticated. */
export const DEFAULT_IMDS_URL = 'http://169.254.169.254';

const MAX_ANSWER_BYTES = 256 * 1024;

export interface ImdsOptions {
  /** Default {@link DEFAULT_IMDS_URL}. */
  imdsUrl?: string;
  retry?: RetryOptions;
  /** One exchange, from connecting to the last byte. Default 60,000 ms. */
  timeoutMs?: number;
  /** Default 10,000 ms. */
  connectTimeoutMs?: number;
  logger?: Logger;
}

/** The metadata service of this VM, reached directly: never through a proxy, whatever the environment says. */
export interface Imds {
  base: URL;
  settings: HttpSettings;
}

/** Options of every function that asks the metadata service, for its own table. */
export const IMDS_OPTIONS: OptionTable<ImdsOptions> = {
  imdsUrl: text,
  retry: unchecked<RetryOptions>(),
  timeoutMs: milliseconds,
  connectTimeoutMs: milliseconds,
  logger,
};

/** @throws AttestationError 8 for an option out of range. */
export function imdsOf(context: TransportContext, options: ImdsOptions = {}): Imds {
  const { imdsUrl = DEFAULT_IMDS_URL, timeoutMs = 60_000, connectTimeoutMs = 10_000 } = options;
  if (typeof imdsUrl !== 'string' || !URL.canParse(imdsUrl) || !/^https?:$/.test(new URL(imdsUrl).protocol)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'imdsUrl must be an http or https URL');
  }
  return {
    base: new URL(imdsUrl),
    settings: {
      transport: context.directTransport(),
      limits: { connectTimeoutMs, timeoutMs, maxBodyBytes: MAX_ANSWER_BYTES },
      retry: retrySettings(options.retry, HTTP_RETRIES.metadata.defaults),
      retryOn: HTTP_RETRIES.metadata.retryOn,
      retryFailures: HTTP_RETRIES.metadata.retryFailures,
      logger: options.logger ?? silentLogger,
    },
  };
}

/** One request to the metadata service. */
export interface ImdsRequest {
  method: 'GET' | 'POST';
  path: string;
  contentType?: string;
  body?: string;
  /** As in `HttpRequest`. */
  repeatable?: boolean;
  required?: boolean;
}

/** Sends it, down to the body of its 200. */
export function askImds(imds: Imds, request: ImdsRequest, signal?: AbortSignal): Promise<Uint8Array> {
  const { path, contentType, ...rest } = request;
  return exchange(
    imds.settings,
    {
      ...rest,
      url: new URL(path, imds.base),
      headers: { Metadata: 'true', ...(contentType !== undefined && { 'Content-Type': contentType }) },
    },
    { name: 'the instance metadata service', unreadable: ErrorCode.INVALID_JSON_RESPONSE },
    signal,
  );
}
