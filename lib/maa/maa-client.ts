import type { JSONWebKeySet } from 'jose';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { fetchTransport } from '../http/fetch-transport.js';
import { nodeTransport } from '../http/node-transport.js';
import { proxyAddress } from '../http/proxy.js';
import {
  HTTP_RETRIES,
  type HttpSettings,
  type RetryOptions,
  retryOnOverload,
  retrySettings,
  sendWithRetry,
} from '../http/retry.js';
import { isLoopback, parseServiceUrl } from '../http/service-url.js';
import { type HttpAnswer, HttpError, type HttpRequest } from '../http/transport.js';
import { MAX_KEY_SET_BYTES, parseKeySet } from '../token/keys-remote.js';
import { invalid } from '../token/policy.js';
import { type CloudError, cloudErrorIn } from './cloud-error.js';
import { type AttestSevSnpVmRequest, checkBinding } from './sev-snp-request.js';

/** Whoever can get bearer tokens: the credentials of `@azure/identity` have this shape. */
export interface TokenCredential {
  getToken(scopes: string, options?: { abortSignal?: AbortSignal }): Promise<{ token: string } | null>;
}

export interface MaaClientOptions {
  /** For instances that demand a bearer token, with scope `https://attest.azure.net/.default`. Asked before every call. */
  credential?: TokenCredential;
  /** `2022-08-01` by default. */
  apiVersion?: string;
  /** Instead of direct connections of this library's own: for a proxy. */
  fetch?: typeof fetch;
  /** URL of an HTTP proxy, false for none; the environment's by default. Not with `fetch`. */
  proxy?: string | false;
  /** Certificates in PEM that are trusted in place of the bundled roots, when no `fetch` is given. */
  ca?: string;
  /** Repeats 408, 429 and server errors; see {@link RetryOptions}. */
  retry?: RetryOptions;
  /** For one exchange, in milliseconds; 30,000 by default. */
  timeoutMs?: number;
  /** Allows plain http to other machines, never with a credential. The loopback interface is always allowed. */
  allowInsecureHttp?: boolean;
  logger?: Logger;
}

/** Result of an attestation. */
export interface AttestationResponse {
  /** A JWT, RFC 7519: for `verifyToken`. */
  token: string;
}

/** The instance's metadata, as OpenID Connect Discovery 1.0 names it. */
export interface OpenIdConfiguration {
  issuer: string;
  /** Where the keys are. `verifyToken` goes by the configured issuer instead. */
  jwks_uri: string;
  id_token_signing_alg_values_supported?: string[];
  response_types_supported?: string[];
  claims_supported?: string[];
  [member: string]: unknown;
}

export interface CallOptions {
  signal?: AbortSignal;
}

const SCOPE = 'https://attest.azure.net/.default';
const DEFAULT_API_VERSION = '2022-08-01';
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Client of an attestation service's REST API, for whoever holds evidence: needs neither a TPM nor native code.
 *
 * Rejects with a {@link CloudError} when the service refuses in its own words, with an {@link AttestationError} (4, 5, 7,
 * 18 or 28; 3 when the credential yields no token) when there is no usable answer, and with an `AbortError` when the
 * caller's signal aborts.
 */
export class MaaClient {
  /** Base address of the instance, without a trailing slash. */
  readonly instanceUrl: string;
  readonly #apiVersion: string;
  readonly #credential: TokenCredential | undefined;
  readonly #settings: HttpSettings;

  /** @throws {AttestationError} 8 or 27 when the address or an option is wrong. */
  constructor(instanceUrl: string, options: MaaClientOptions = {}) {
    if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
    if (options.credential !== undefined && typeof options.credential?.getToken !== 'function') {
      throw invalid('credential must have the method getToken');
    }
    if (options.fetch !== undefined && typeof options.fetch !== 'function') throw invalid('fetch must be a function');
    const url = parseServiceUrl(instanceUrl, { allowInsecureHttp: options.allowInsecureHttp ?? false });
    if (options.credential !== undefined && url.protocol !== 'https:' && !isLoopback(url.hostname)) {
      throw invalid('a bearer token is never sent over plain http to another machine');
    }
    const { timeoutMs = DEFAULT_TIMEOUT_MS, ca } = options;
    const proxy = options.proxy === undefined ? undefined : proxyAddress(options.proxy, 'proxy');
    if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw invalid('timeoutMs must be a number above 0');
    this.instanceUrl = url.origin;
    this.#apiVersion = options.apiVersion ?? DEFAULT_API_VERSION;
    this.#credential = options.credential;
    this.#settings = {
      transport:
        options.fetch === undefined
          ? nodeTransport({ ...(ca !== undefined && { ca }), ...(proxy !== undefined && { proxy }) })
          : fetchTransport(options.fetch),
      limits: { connectTimeoutMs: timeoutMs, timeoutMs, maxBodyBytes: MAX_KEY_SET_BYTES },
      retry: retrySettings(options.retry, HTTP_RETRIES.attestation.defaults),
      retryOn: HTTP_RETRIES.attestation.retryOn,
      logger: options.logger ?? silentLogger,
    };
  }

  /**
   * Shows an SEV-SNP report to the service: `POST /attest/SevSnpVm`.
   *
   * Runtime and init-time data that do not hash to what the report says are refused here, with AttestationError 9.
   */
  async attestSevSnpVm(request: AttestSevSnpVmRequest, options: CallOptions = {}): Promise<AttestationResponse> {
    if (!isJsonObject(request) || typeof request.report !== 'string') throw invalid('the request has no report');
    checkBinding(request);
    const url = this.#url('/attest/SevSnpVm');
    url.searchParams.set('api-version', this.#apiVersion);
    const headers = { 'Content-Type': 'application/json', ...(await this.#authorization(options.signal)) };
    const body = await this.#send({ method: 'POST', url, headers, body: JSON.stringify(request) }, options.signal);
    const { token } = answerObject(body);
    if (typeof token !== 'string' || token === '') throw unreadable('it holds no token');
    return { token };
  }

  /** The instance's keys: `GET /certs`. Throws VerificationError ERR_TOKEN_KEY_SET when they are no key set. */
  async signingKeys(options: CallOptions = {}): Promise<JSONWebKeySet> {
    return parseKeySet(await this.#send({ method: 'GET', url: this.#url('/certs') }, options.signal));
  }

  /** The instance's metadata: `GET /.well-known/openid-configuration`. */
  async openIdConfiguration(options: CallOptions = {}): Promise<OpenIdConfiguration> {
    const url = this.#url('/.well-known/openid-configuration');
    const configuration = answerObject(await this.#send({ method: 'GET', url }, options.signal));
    if (typeof configuration.issuer !== 'string' || typeof configuration.jwks_uri !== 'string') {
      throw unreadable('it holds no issuer or jwks_uri');
    }
    return configuration as OpenIdConfiguration;
  }

  #url(path: string): URL {
    return new URL(path, this.instanceUrl);
  }

  async #authorization(signal: AbortSignal | undefined): Promise<{ Authorization?: string }> {
    if (this.#credential === undefined) return {};
    let token: { token: string } | null;
    try {
      token = await this.#credential.getToken(SCOPE, signal === undefined ? {} : { abortSignal: signal });
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'AbortError') throw cause;
      throw new AttestationError(ErrorCode.MSI_TOKEN_NOT_FOUND, 'the credential failed to get a token', { cause });
    }
    if (typeof token?.token !== 'string' || token.token === '') {
      throw new AttestationError(ErrorCode.MSI_TOKEN_NOT_FOUND, 'the credential has no token');
    }
    return { Authorization: `Bearer ${token.token}` };
  }

  async #send(request: HttpRequest, signal: AbortSignal | undefined): Promise<Buffer> {
    let answer: HttpAnswer;
    try {
      answer = await sendWithRetry(this.#settings, request, signal);
    } catch (cause) {
      if (!(cause instanceof HttpError)) throw cause;
      const code =
        cause.reason === 'unreadable' ? ErrorCode.HTTP_REQUEST_FAILED : ErrorCode.SENDING_CURL_REQUEST_FAILED;
      throw new AttestationError(code, `the attestation service: ${cause.message}`, { cause });
    }
    if (answer.status !== 200) throw refusal(answer);
    return answer.body;
  }
}

function refusal({ status, body }: HttpAnswer): CloudError | AttestationError {
  const error = cloudErrorIn(body, status);
  const exhausted = retryOnOverload(status);
  if (error !== undefined && !exhausted) return error;
  const code = exhausted ? ErrorCode.HTTP_REQUEST_EXCEEDED_RETRIES : ErrorCode.HTTP_REQUEST_FAILED;
  return new AttestationError(code, `the attestation service answered with status ${status}`, {
    status,
    responseBody: body.toString('utf8'),
    ...(error !== undefined && { cause: error }),
  });
}

function answerObject(body: Buffer): Record<string, unknown> {
  if (body.length === 0)
    throw new AttestationError(ErrorCode.EMPTY_RESPONSE, 'the attestation service’s answer is empty');
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch (cause) {
    throw unreadable('it is not acceptable JSON', cause);
  }
  if (!isJsonObject(value)) throw unreadable('it is not a JSON object');
  return value;
}

function unreadable(because: string, cause?: unknown): AttestationError {
  const details = cause === undefined ? {} : { cause };
  return new AttestationError(
    ErrorCode.PARSING_ATTESTATION_RESPONSE,
    `the attestation service’s answer cannot be used: ${because}`,
    details,
  );
}
