import { parseEndorsementExtensions } from '../abi/amd-extensions.js';
import { parseRevocationList } from '../abi/crl.js';
import { parseSnpReport } from '../abi/snp-report.js';
import { SigningKey, type SnpReport } from '../abi/snp-report-fields.js';
import { type Product, TCB_COMPONENTS, type Tcb } from '../abi/tcb.js';
import { latin1Text } from '../base/bytes.js';
import type { Cache, FetchLock } from '../base/cache.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';
import { type Logger, silentLogger } from '../base/logger.js';
import {
  abortSignal,
  bytes,
  callable,
  logger,
  milliseconds,
  oneOf,
  oneOrMore,
  text,
  unchecked,
  withMethods,
} from '../base/option-kinds.js';
import { checkOptions, type OptionTable } from '../base/options.js';
import { type CachedDocument, DocumentCache } from '../http/document-cache.js';
import { exchange } from '../http/exchange.js';
import { serviceTransport, type TransportContext } from '../http/own-transport.js';
import { HTTP_RETRIES, type HttpSettings, type RetryOptions, retrySettings } from '../http/retry.js';
import { parseServiceUrl } from '../http/service-url.js';
import { loadCertificates } from '../verify/snp/certificate.js';
import { chainUrl, crlUrl, DEFAULT_KDS_URL, type EndorsementKind, vcekUrl } from './kds-url.js';

const MAXIMUM_ANSWER = 256 * 1024;
const DAY_MS = 24 * 3600 * 1000;
// A VCEK is a function of its key, forever; chains and revocation lists are issued again.
const MAXIMUM_AGE = { vcek: Number.POSITIVE_INFINITY, chain: 7 * DAY_MS, crl: DAY_MS };

export interface KdsOptions {
  /** Default: `https://kdsintf.amd.com`; a mirror, or a simulated service. */
  baseUrl?: string;
  /** In Node: folder for answers. Default: `$XDG_CACHE_HOME/cvm-guest-attestation/kds`; false keeps them in memory only. */
  cacheDirectory?: string | false;
  /** Where answers are shared with other processes, in place of a folder. Verified again after each read. */
  cache?: Cache;
  /** Secrets of those who share `cache`, 32 bytes or more: with them a new process believes its revocation lists, too. */
  cacheSecret?: Uint8Array | Uint8Array[];
  /** A replay store: across replicas one fetches at a time, because AMD gives one certificate in ten seconds. */
  lock?: FetchLock;
  /** Default: own connections. */
  fetch?: typeof fetch;
  /** URL of an HTTP proxy, false for none. Default: the environment's. Not with `fetch`. */
  proxy?: string | false;
  /** Default: 3 repetitions from 5 s on, longer when the service asks for it. */
  retry?: RetryOptions;
  /** One exchange. Default 30,000. */
  timeoutMs?: number;
  logger?: Logger;
}

/** What the client takes from the program that it runs in. */
export interface KdsContext extends TransportContext {
  /**
   * The cache in a folder; undefined where there are no folders and none is asked for.
   *
   * @param directory default: that of the user, by `name`
   * @throws AttestationError 8 for a folder where there are none
   */
  readonly folderCache: (directory: string | undefined, name: string) => Cache | undefined;
}

export interface KdsCallOptions {
  signal?: AbortSignal;
}

const OPTIONS: OptionTable<KdsOptions> = {
  baseUrl: text,
  cacheDirectory: { check: (value, name) => (value === false ? false : text.check(value, name)) },
  cache: withMethods<Cache>('get', 'set'),
  cacheSecret: oneOrMore(bytes(32)),
  lock: withMethods<FetchLock>('claim'),
  fetch: callable<typeof fetch>(),
  proxy: { check: (value, name) => (value === false ? false : text.check(value, name)) },
  retry: unchecked<RetryOptions>(),
  timeoutMs: milliseconds,
  logger: logger,
};
const CALL: OptionTable<KdsCallOptions> = { signal: abortSignal };
const CERTIFICATES_FOR: OptionTable<KdsCallOptions & { product?: Product }> = {
  ...CALL,
  product: oneOf<Product>('Milan', 'Genoa', 'Turin'),
};

/**
 * AMD's Key Distribution Service: certificates and revocation lists for reports whose guest did not send them.
 *
 * Answers are cached in memory and on disk by product, chip id and every patch level, and callers who want the same thing
 * at the same time share one request, because the service throttles. Nothing it returns is trusted before it verifies to
 * a pinned root.
 */
export class KdsServiceClient {
  readonly #base: URL;
  readonly #settings: HttpSettings;
  readonly #documents: DocumentCache;

  /** @throws {AttestationError} 8 for options out of range. */
  constructor(options: KdsOptions, context: KdsContext) {
    const checked = checkOptions('KdsClient', options, OPTIONS);
    const { logger = silentLogger, timeoutMs = 30_000, fetch, proxy } = checked;
    this.#base = parseServiceUrl(checked.baseUrl ?? DEFAULT_KDS_URL);
    this.#settings = {
      transport: serviceTransport(context, { ...(fetch && { fetch }), ...(proxy !== undefined && { proxy }) }),
      limits: { connectTimeoutMs: Math.min(timeoutMs, 10_000), timeoutMs, maxBodyBytes: MAXIMUM_ANSWER },
      retry: retrySettings(checked.retry, HTTP_RETRIES.certificates.defaults),
      retryOn: HTTP_RETRIES.certificates.retryOn,
      logger,
    };
    this.#documents = new DocumentCache({
      cache: cacheOf(context, checked),
      secrets: secretsOf(checked),
      lock: checked.lock,
      lockKey: 'lock:kds',
      logger,
    });
  }

  /**
   * VCEK, ASK and ARK for a report: what `verifySnpReport` and `Evidence.certificates` take. `product` is needed for a
   * report before version 3, which does not name its processor.
   *
   * @throws {AttestationError} 8 for a report that no VCEK can be found for (VLEK, masked chip id, unknown product); 20
   * for one that is malformed; otherwise as {@link vcek}.
   */
  async certificatesFor(
    report: Uint8Array | SnpReport,
    options: KdsCallOptions & { product?: Product } = {},
  ): Promise<{ vcek: Uint8Array; chain: string }> {
    const { product: named, ...call } = checkOptions('certificatesFor', options, CERTIFICATES_FOR);
    const parsed = this.#parse(report, named);
    const product = parsed.product ?? named;
    if (product === undefined) throw invalid('the report does not name its processor: a product is needed');
    if (parsed.signingKey !== SigningKey.VCEK) throw invalid('the report is not signed by a VCEK');
    const [vcek, chain] = await Promise.all([
      this.vcek(product, parsed.chipId, parsed.reportedTcb, call),
      this.chain(product, 'vcek', call),
    ]);
    return { vcek, chain };
  }

  /**
   * VCEK certificate (DER) of a chip at a TCB.
   *
   * @throws {AttestationError} 8 for arguments out of range; 2 or 18 for an answer that is not this certificate; 4, 5 (404
   * for a chip or TCB that AMD does not know) and 7 as for every exchange.
   */
  async vcek(product: Product, chipId: Uint8Array, tcb: Tcb, options: KdsCallOptions = {}): Promise<Uint8Array> {
    const { signal } = checkOptions('vcek', options, CALL);
    const url = vcekUrl(product, chipId, tcb, this.#base);
    return this.#get(
      url,
      { maxAgeMs: MAXIMUM_AGE.vcek, check: (body) => requireVcek(body, chipId, tcb), isThrottled: true },
      signal,
    );
  }

  /** ASK (ASVK for `vlek`) and ARK of a product, PEM. @throws as {@link vcek} */
  async chain(product: Product, kind: EndorsementKind = 'vcek', options: KdsCallOptions = {}): Promise<string> {
    const { signal } = checkOptions('chain', options, CALL);
    const url = chainUrl(product, kind, this.#base);
    return latin1Text(await this.#get(url, { maxAgeMs: MAXIMUM_AGE.chain, check: requireCertificates }, signal));
  }

  /** Revocation list (DER) of a product's root, at most a day old. @throws as {@link vcek} */
  async crl(product: Product, kind: EndorsementKind = 'vcek', options: KdsCallOptions = {}): Promise<Uint8Array> {
    const { signal } = checkOptions('crl', options, CALL);
    return this.#get(
      crlUrl(product, kind, this.#base),
      { maxAgeMs: MAXIMUM_AGE.crl, check: requireRevocationList, issuedAt: revocationListTime },
      signal,
    );
  }

  #parse(report: Uint8Array | SnpReport, product: Product | undefined): SnpReport {
    const bytes = report instanceof Uint8Array ? report : report?.raw;
    const parsed = parseSnpReport(bytes);
    // The TCB layout of an older report is told by the product, not guessed.
    return parsed.version < 3 && product !== undefined ? parseSnpReport(bytes, { product }) : parsed;
  }

  /** From memory, from the cache, or from the service. */
  async #get(url: URL, document: DocumentRules, signal?: AbortSignal): Promise<Uint8Array> {
    const peer = { name: "AMD's key service", unreadable: ErrorCode.RESPONSE_PARSING };
    const fetchDocument = async (): Promise<Uint8Array> => {
      const body = await exchange(this.#settings, { method: 'GET', url }, peer);
      if (body.length === 0) throw new AttestationError(ErrorCode.EMPTY_RESPONSE, "AMD's key service returned nothing");
      return Uint8Array.from(body);
    };
    return this.#documents.get({ name: cacheName(url), fetch: fetchDocument, ...document }, signal);
  }
}

type DocumentRules = Pick<CachedDocument, 'maxAgeMs' | 'issuedAt' | 'check' | 'isThrottled'>;

/** The folder is this user's own: it needs no secret to be believed. */
function secretsOf({ cache, cacheSecret }: KdsOptions): readonly Uint8Array[] | undefined {
  if (cacheSecret !== undefined) return [cacheSecret].flat();
  return cache === undefined ? [] : undefined;
}

function cacheOf(context: KdsContext, { cache, cacheDirectory }: KdsOptions): Cache | undefined {
  if (cache !== undefined) {
    if (cacheDirectory !== undefined) throw invalid('cache takes the place of cacheDirectory: give one of them');
    return cache;
  }
  return cacheDirectory === false ? undefined : context.folderCache(cacheDirectory, 'kds');
}

/** Path and query of the request as a file name: product, chip id and every patch level are in it, the host is not. */
function cacheName(url: URL): string {
  return `${url.pathname.slice(1)}${url.search}`.replace(/[^A-Za-z0-9]+/g, '-');
}

function requireVcek(body: Uint8Array, chipId: Uint8Array, tcb: Tcb): void {
  const endorsement = parseAnswer(
    () => loadCertificates(body).map((one) => parseEndorsementExtensions(one.certificate))[0],
  );
  const { hwid } = endorsement ?? {};
  const sameChip = hwid !== undefined && hex(hwid) === hex(chipId.subarray(0, hwid.length));
  const sameTcb = TCB_COMPONENTS.every((component) => endorsement?.tcb[component] === tcb[component]);
  if (!sameChip || !sameTcb) throw notWanted("AMD's key service returned a certificate of another chip or TCB");
}

function requireCertificates(body: Uint8Array): void {
  if (parseAnswer(() => loadCertificates(body)).length < 2) throw notWanted("AMD's key service returned no chain");
}

function requireRevocationList(body: Uint8Array): void {
  if (body[0] !== 0x30) throw notWanted("AMD's key service returned no revocation list");
  parseAnswer(() => parseRevocationList(body));
}

const revocationListTime = (body: Uint8Array): number => parseRevocationList(body).thisUpdate.getTime();

function parseAnswer<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (cause) {
    throw notWanted("AMD's key service returned no certificate", cause);
  }
}

function notWanted(message: string, cause?: unknown): AttestationError {
  return new AttestationError(ErrorCode.RESPONSE_PARSING, message, cause === undefined ? {} : { cause });
}

function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
}
