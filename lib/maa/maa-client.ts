import type { JSONWebKeySet } from 'jose';
import { readableText } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import {
  abortSignal,
  callable,
  flag,
  logger,
  milliseconds,
  text,
  unchecked,
  withMethods,
} from '../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable, readArguments } from '../base/options.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { serviceTransport, type TransportContext } from '../http/own-transport.js';
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
import { type CloudError, cloudErrorIn } from './cloud-error.js';
import { type AttestSevSnpVmRequest, checkBinding } from './sev-snp-request.js';
import { type AttestTdxVmRequest, checkTdxBinding } from './tdx-request.js';

/** Whoever can get bearer tokens: the credentials of `@azure/identity` have this shape. */
export interface TokenCredential {
  getToken(scopes: string, options?: { abortSignal?: AbortSignal }): Promise<{ token: string } | null>;
}

export interface MaaClientOptions {
  /** For instances that demand a bearer token, with scope `https://attest.azure.net/.default`. Asked before every call. */
  credential?: TokenCredential;
  /** By default `2022-08-01` for SEV-SNP and `2025-06-01`, the first with TDX, for TDX. */
  apiVersion?: string;
  /** Instead of this library's own connections. */
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
  logger?: Logger | undefined;
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
  signal?: AbortSignal | undefined;
}

const OPTIONS: OptionTable<MaaClientOptions> = {
  credential: withMethods<TokenCredential>('getToken'),
  apiVersion: text,
  fetch: callable<typeof fetch>(),
  proxy: { check: (value, name) => (value === false ? false : text.check(value, name)) },
  ca: text,
  retry: unchecked<RetryOptions>(),
  timeoutMs: milliseconds,
  allowInsecureHttp: flag,
  logger: logger,
};
const CALL: OptionTable<CallOptions> = { signal: abortSignal };

const SCOPE = 'https://attest.azure.net/.default';
const API_VERSIONS = { SevSnpVm: '2022-08-01', TdxVm: '2025-06-01' } as const;
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Client of an attestation service's REST API, for whoever holds evidence: needs neither a TPM nor native code.
 *
 * Rejects with a {@link CloudError} when the service refuses in its own words, with an {@link AttestationError} (4, 5, 7,
 * 18 or 28; 3 when the credential yields no token) when there is no usable answer, and with an `AbortError` when the
 * caller's signal aborts.
 */
export class MaaServiceClient {
  /** Base address of the instance, without a trailing slash. */
  readonly instanceUrl: string;
  readonly #apiVersion: string | undefined;
  readonly #credential: TokenCredential | undefined;
  readonly #settings: HttpSettings;

  /** @throws {AttestationError} 8 or 27 when the address or an option is wrong. */
  constructor(instanceUrl: string, options: MaaClientOptions, context: TransportContext) {
    const checked = checkOptions('MaaClient', options, OPTIONS);
    const { credential, timeoutMs = DEFAULT_TIMEOUT_MS, fetch, ca, proxy } = checked;
    const url = readArguments('MaaClient', () =>
      parseServiceUrl(instanceUrl, { allowInsecureHttp: checked.allowInsecureHttp ?? false }),
    );
    if (credential !== undefined && url.protocol !== 'https:' && !isLoopback(url.hostname)) {
      throw invalid('a bearer token is never sent over plain http to another machine');
    }
    this.instanceUrl = url.origin;
    this.#apiVersion = checked.apiVersion;
    this.#credential = credential;
    this.#settings = {
      transport: serviceTransport(context, {
        ...(fetch !== undefined && { fetch }),
        ...(ca !== undefined && { ca }),
        ...(proxy !== undefined && { proxy }),
      }),
      limits: { connectTimeoutMs: timeoutMs, timeoutMs, maxBodyBytes: MAX_KEY_SET_BYTES },
      retry: retrySettings(checked.retry, HTTP_RETRIES.attestation.defaults),
      retryOn: HTTP_RETRIES.attestation.retryOn,
      logger: checked.logger ?? silentLogger,
    };
  }

  /**
   * Shows an SEV-SNP report to the service: `POST /attest/SevSnpVm`.
   *
   * Runtime and init-time data that do not hash to what the report says are refused here, with AttestationError 9.
   */
  async attestSevSnpVm(request: AttestSevSnpVmRequest, options?: CallOptions): Promise<AttestationResponse> {
    const { signal } = checkOptions<CallOptions>('attestSevSnpVm', options, CALL);
    if (!isJsonObject(request) || typeof request.report !== 'string') throw invalid('the request has no report');
    checkBinding(request);
    return this.#attest('SevSnpVm', request, signal);
  }

  /**
   * Shows a TD quote to the service: `POST /attest/TdxVm`.
   *
   * Runtime data that does not hash to what the quote says is refused here, with AttestationError 9.
   */
  async attestTdxVm(request: AttestTdxVmRequest, options?: CallOptions): Promise<AttestationResponse> {
    const { signal } = checkOptions<CallOptions>('attestTdxVm', options, CALL);
    if (!isJsonObject(request) || typeof request.quote !== 'string') throw invalid('the request has no quote');
    checkTdxBinding(request);
    return this.#attest('TdxVm', request, signal);
  }

  /** The instance's keys: `GET /certs`. Throws VerificationError ERR_TOKEN_KEY_SET when they are not a key set. */
  async signingKeys(options?: CallOptions): Promise<JSONWebKeySet> {
    const { signal } = checkOptions<CallOptions>('signingKeys', options, CALL);
    return parseKeySet(await this.#send({ method: 'GET', url: this.#url('/certs') }, signal));
  }

  /** The instance's metadata: `GET /.well-known/openid-configuration`. */
  async openIdConfiguration(options?: CallOptions): Promise<OpenIdConfiguration> {
    const { signal } = checkOptions<CallOptions>('openIdConfiguration', options, CALL);
    const url = this.#url('/.well-known/openid-configuration');
    const configuration = answerObject(await this.#send({ method: 'GET', url }, signal));
    if (typeof configuration.issuer !== 'string' || typeof configuration.jwks_uri !== 'string') {
      throw unreadable('it holds no issuer or jwks_uri');
    }
    return configuration as OpenIdConfiguration;
  }

  async #attest(
    kind: keyof typeof API_VERSIONS,
    request: object,
    signal: AbortSignal | undefined,
  ): Promise<AttestationResponse> {
    const url = this.#url(`/attest/${kind}`);
    url.searchParams.set('api-version', this.#apiVersion ?? API_VERSIONS[kind]);
    const headers = { 'Content-Type': 'application/json', ...(await this.#authorization(signal)) };
    const { token } = answerObject(
      await this.#send({ method: 'POST', url, headers, body: JSON.stringify(request) }, signal),
    );
    if (typeof token !== 'string' || token === '') throw unreadable('it holds no token');
    return { token };
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

  async #send(request: HttpRequest, signal: AbortSignal | undefined): Promise<Uint8Array> {
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
    responseBody: readableText(body),
    ...(error !== undefined && { cause: error }),
  });
}

function answerObject(body: Uint8Array): Record<string, unknown> {
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
