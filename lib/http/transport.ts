import { concatBytes } from '../base/bytes.js';

/** One HTTP request; redirects are never followed. */
export interface HttpRequest {
  method: 'GET' | 'POST';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** Whether sending it twice is as good as once. Default: for GET. */
  repeatable?: boolean;
  /** Every machine of this kind has the document: a 404 says that it is not there yet, not that there is none. */
  required?: boolean;
}

export interface HttpAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export interface ExchangeLimits {
  /** Name resolution, TCP and TLS together. */
  connectTimeoutMs: number;
  /** From the first to the last byte of one exchange, connection included. */
  timeoutMs: number;
  /** Longest body taken; the exchange ends at the first byte beyond. */
  maxBodyBytes: number;
}

/**
 * Sends one request and reads the whole answer, whatever its status.
 *
 * Rejects with an {@link HttpError}, or with an `AbortError` when `signal` aborts.
 */
export type Transport = (request: HttpRequest, limits: ExchangeLimits, signal?: AbortSignal) => Promise<HttpAnswer>;

/** Why there is no answer. The callers turn it into the documented code of their own exchange. */
export class HttpError extends Error {
  override readonly name = 'HttpError';

  constructor(
    /** `unreachable`: name, connection, TLS or protocol; `unreadable`: an answer that may not be taken. */
    readonly reason: 'unreachable' | 'timeout' | 'unreadable',
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** Collects a body up to its limit. */
export class BoundedBody {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(readonly limit: number) {}

  /** @throws HttpError `unreadable` when the body grows beyond the limit. */
  add(chunk: Uint8Array): void {
    this.expect(this.#size + chunk.length);
    this.#size += chunk.length;
    this.#chunks.push(chunk);
  }

  /** Refuses a size that the answer announces, before any of it is read. */
  expect(size: number): void {
    if (size > this.limit) throw new HttpError('unreadable', `the answer is longer than ${this.limit} bytes`);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return concatBytes(...this.#chunks);
  }
}
