import type { KeyObject } from 'node:crypto';
import type { FlattenedJWE } from 'jose';
import type { Evidence } from '../../abi/evidence.js';
import { exportTrusteeEvidence } from '../../abi/evidence-import.js';
import { utf8Text } from '../../base/bytes.js';
import { AttestationError, ErrorCode, VerificationError } from '../../base/errors.js';
import { abortSignal, callable, custom, milliseconds, oneOf, withMethods } from '../../base/option-kinds.js';
import { checkArgument, checkOptions, invalid, required } from '../../base/options.js';
import { SharedWork } from '../../base/shared-work.js';
import { isJsonObject, parseStrictJson } from '../../base/strict-json.js';
import { isLoopback } from '../../http/service-url.js';
import { newKeyPair } from '../../node/key-pair.js';
import {
  type BrokerTee,
  brokerTeeOf,
  KBS_PREFIX,
  KBS_VERSION,
  parseResourcePath,
  type ResourcePath,
  reportData,
  SESSION_COOKIE,
} from './protocol.js';
import type { RecipientJwk } from './recipient-key.js';

/** What the client of a broker needs of an `AttestationClient`. */
export interface EvidenceSource {
  getEvidence(options: {
    nonce: Uint8Array;
    userData: Uint8Array;
    pcrs: number[];
    signal?: AbortSignal;
  }): Promise<Evidence>;
}

export interface KeyBrokerClientOptions {
  /** `https://broker.example.com`, without `/kbs/v0`; a path is put before it, for a proxy that tells brokers apart by it. */
  url: string | URL;
  /** `AttestationClient` of this machine. */
  client: EvidenceSource;
  /** Kind of the key that resources are encrypted to; it lives in this process. Default `EC` (P-256). */
  keyType?: 'EC' | 'RSA';
  /** In place of the global one, for instance with certificates of its own. */
  fetch?: typeof fetch;
  /** One exchange. Default 30,000. */
  timeoutMs?: number;
}

interface BrokerAnswer {
  status: number;
  body: unknown;
  /** The session cookie that came with it. */
  cookie: string | undefined;
}

interface BrokerRequest {
  method: 'GET' | 'POST';
  step: string;
  body?: unknown;
  cookie?: string;
}

const MAXIMUM_ANSWER = 16 * 1024 * 1024;
const PCRS = Array.from({ length: 24 }, (_, index) => index);

const brokerUrl = custom((value, name) => {
  const given = value instanceof URL ? value.href : value;
  if (typeof given !== 'string' || !URL.canParse(given)) throw invalid(`${name} must be a URL`);
  const url = new URL(given);
  const isSecure = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!isSecure) throw invalid(`${name} must be https`);
  if (/[?#]/.test(given) || url.username !== '' || url.password !== '') {
    throw invalid(`${name} must have no user, query or fragment`);
  }
  url.pathname = url.pathname.replace(/\/+$/, '');
  if (url.pathname.endsWith(KBS_PREFIX)) throw invalid(`${name} must be without ${KBS_PREFIX}`);
  return url;
});

/**
 * Gets resources from a key broker that speaks trustee's protocol (RCAR) 0.4: attests this machine when needed, with
 * evidence that is bound to a key of this process, and decrypts what comes back.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export class KeyBrokerClient {
  readonly #base: URL;
  readonly #source: EvidenceSource;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;
  readonly #privateKey: KeyObject;
  readonly #jwk: RecipientJwk;
  /** Cookie of the session that the machine was attested in; empty where a broker gives none. */
  #session: string | undefined;
  readonly #attestation = new SharedWork((signal) => this.#attest(signal));
  /** The protocol asks for the TEE before there is a nonce to make evidence with. */
  #tee: BrokerTee = 'az-snp-vtpm';

  constructor(options: KeyBrokerClientOptions) {
    const {
      url,
      client,
      keyType = 'EC',
      fetch: fetchFunction = fetch,
      timeoutMs = 30_000,
    } = checkOptions<KeyBrokerClientOptions>('KeyBrokerClient', options, {
      url: required(brokerUrl),
      client: required(withMethods<EvidenceSource>('getEvidence')),
      keyType: oneOf('EC', 'RSA'),
      fetch: callable<typeof fetch>(),
      timeoutMs: milliseconds,
    });
    this.#base = url as URL;
    this.#source = client;
    this.#fetch = fetchFunction;
    this.#timeoutMs = timeoutMs;
    const { privateKey, publicKey } =
      keyType === 'EC' ? newKeyPair({ namedCurve: 'P-256' }) : newKeyPair({ modulusLength: 3072 });
    this.#privateKey = privateKey;
    this.#jwk = {
      ...publicKey.export({ format: 'jwk' }),
      alg: keyType === 'EC' ? 'ECDH-ES+A256KW' : 'RSA-OAEP-256',
    } as RecipientJwk;
  }

  /**
   * The bytes of a resource, `repository/type/tag` or `kbs:///repository/type/tag`. Attests first when there is no session or
   * the broker no longer takes it.
   *
   * @throws {VerificationError} `ERR_KBS_…` when the broker refuses: the machine, the resource, or the policy of it.
   * @throws {AttestationError} 8 for a malformed path; 5, 7, 16 and 18 for exchanges that fail, and whatever evidence fails with.
   */
  async getResource(path: string | ResourcePath, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const { signal } = checkOptions<{ signal?: AbortSignal }>('getResource', options, { signal: abortSignal });
    const place = checkArgument('getResource', 'path', path, resourcePath);
    // While another call attests, its session is about to replace this one.
    let session = this.#attestation.isRunning ? undefined : this.#session;
    session ??= await this.#attestation.result(signal);
    let answer = await this.#send({ method: 'GET', step: `resource/${place}`, cookie: session }, signal);
    if (answer.status === 401) {
      // Another call may have got a new one meanwhile.
      if (this.#session === session) this.#session = undefined;
      session = this.#session ?? (await this.#attestation.result(signal));
      answer = await this.#send({ method: 'GET', step: `resource/${place}`, cookie: session }, signal);
    }
    if (answer.status !== 200) throw brokerError(answer);
    return this.#decrypt(answer.body);
  }

  /** A new session. */
  async #attest(signal: AbortSignal): Promise<string> {
    const request = { version: KBS_VERSION, tee: this.#tee, 'extra-params': {} };
    const challenge = await this.#send({ method: 'POST', step: 'auth', body: request }, signal);
    const nonce = isJsonObject(challenge.body) ? challenge.body.nonce : undefined;
    if (challenge.status !== 200 || typeof nonce !== 'string' || nonce === '') throw brokerError(challenge);
    const additional = '{}';
    const bound = reportData(nonce, this.#jwk, additional);
    const evidence = await this.#source.getEvidence({ nonce: bound, userData: bound, pcrs: PCRS, signal });
    const tee = brokerTeeOf(evidence.tdQuote === undefined ? 'snp' : 'tdx');
    if (tee !== this.#tee) {
      this.#tee = tee;
      return this.#attest(signal);
    }
    const body = {
      'runtime-data': { nonce, 'tee-pubkey': this.#jwk },
      'tee-evidence': {
        primary_evidence: JSON.parse(exportTrusteeEvidence(evidence)) as unknown,
        additional_evidence: additional,
      },
    };
    const { cookie = '' } = challenge;
    const answer = await this.#send({ method: 'POST', step: 'attest', body, cookie }, signal);
    if (answer.status !== 200) throw brokerError(answer);
    // trustee's broker keeps the name of the session that `auth` began.
    this.#session = answer.cookie ?? cookie;
    return this.#session;
  }

  async #send(
    { method, step, body, cookie = '' }: BrokerRequest,
    signal: AbortSignal | undefined,
  ): Promise<BrokerAnswer> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, '')}${KBS_PREFIX}/${step}`;
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (cookie !== '') headers.Cookie = `${SESSION_COOKIE}=${cookie}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response: Response;
    let text: string | undefined;
    try {
      response = await this.#fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      text = await boundedText(response);
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new AttestationError(ErrorCode.SENDING_CURL_REQUEST_FAILED, 'the key broker cannot be reached', { cause });
    }
    let parsed: unknown;
    try {
      parsed = parseStrictJson(text ?? '');
    } catch (cause) {
      throw new AttestationError(ErrorCode.INVALID_JSON_RESPONSE, 'the key broker did not answer with JSON', {
        cause,
        status: response.status,
      });
    }
    return { status: response.status, body: parsed, cookie: sessionCookieOf(response) };
  }

  async #decrypt(body: unknown): Promise<Uint8Array> {
    const { flattenedDecrypt } = await import('jose');
    try {
      const { plaintext } = await flattenedDecrypt(body as FlattenedJWE, this.#privateKey, {
        keyManagementAlgorithms: [this.#jwk.alg],
        contentEncryptionAlgorithms: ['A256GCM'],
      });
      return plaintext;
    } catch (cause) {
      throw new VerificationError('ERR_KBS_RESPONSE', 'the resource is not encrypted to this key', [], cause);
    }
  }
}

const resourcePath = custom((value) => {
  const text = isJsonObject(value)
    ? [value.repository, value.type, value.tag].join('/')
    : typeof value === 'string'
      ? value.replace(/^kbs:\/\/\//, '')
      : '';
  if (parseResourcePath(text) === undefined) throw invalid('path must be repository/type/tag');
  return text;
});

function sessionCookieOf(response: Response): string | undefined {
  const pattern = new RegExp(`^${SESSION_COOKIE}=([^;\\s]{1,4096})`);
  const values = response.headers.getSetCookie().map((line) => pattern.exec(line)?.[1]);
  return values.findLast((value) => value !== undefined);
}

/** A refusal by what the broker calls it. Its sentence is not repeated: it may say anything. */
function brokerError({ status, body }: BrokerAnswer): Error {
  const type = isJsonObject(body) && typeof body.type === 'string' ? body.type.split('/').at(-1) : undefined;
  const name = type !== undefined && /^[A-Za-z]{1,40}$/.test(type) ? ` (${type})` : '';
  const codes: Record<number, string> = {
    401: 'ERR_KBS_UNAUTHENTICATED',
    403: 'ERR_KBS_POLICY',
    404: 'ERR_KBS_NOT_FOUND',
  };
  const code = codes[status];
  if (code !== undefined) return new VerificationError(code, `the key broker refuses with status ${status}${name}`);
  return new AttestationError(ErrorCode.HTTP_REQUEST_FAILED, `the key broker answered ${status}${name}`, { status });
}

async function boundedText(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > MAXIMUM_ANSWER) throw new Error('the answer is too long');
    chunks.push(bytes);
  }
  return utf8Text(Buffer.concat(chunks));
}
