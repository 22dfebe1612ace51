import { parsePckExtension } from '../abi/pck-extension.js';
import { parseTdQuote } from '../abi/td-quote.js';
import type { TdxCollateral } from '../abi/tdx-collateral.js';
import { parseCertificates } from '../abi/x509.js';
import type { Cache } from '../base/cache.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';
import { type Logger, silentLogger } from '../base/logger.js';
import {
  abortSignal,
  bytes,
  callable,
  custom,
  either,
  integer,
  logger,
  milliseconds,
  oneOf,
  oneOrMore,
  text,
  unchecked,
  url,
  withMethods,
} from '../base/option-kinds.js';
import { checkArgument, checkOptions, invalid, type OptionTable } from '../base/options.js';
import { DocumentCache } from '../http/document-cache.js';
import { serviceTransport, type TransportContext } from '../http/own-transport.js';
import { HTTP_RETRIES, type RetryOptions, retrySettings } from '../http/retry.js';
import { type PckCa, PcsDocuments } from './pcs-documents.js';
import { pcsSource } from './pcs-source.js';

export interface FetchTdxCollateralOptions {
  /**
   * Intel's provisioning certification service, Azure's cache of it, or the origin of another one (a PCCS). Default `'intel'`.
   * Nothing that any of them answers is trusted: `verifyTdQuote` verifies all of it.
   */
  source?: 'intel' | 'azure' | URL | string;
  /** Where answers are kept until they end, at most a day. Default: each call fetches. */
  cache?: Cache;
  /** Secrets of those who share `cache`, 32 bytes or more: with them a new process believes what is in it. */
  cacheSecret?: Uint8Array | Uint8Array[];
  /** Which TCB levels count: those of now, or those that come. Default `'standard'`. Not with a number. */
  update?: 'standard' | 'early';
  /** TCB evaluation data number of both documents. */
  tcbEvaluationDataNumber?: number;
  /** Default: own connections. */
  fetch?: typeof fetch;
  /** URL of an HTTP proxy, false for none. Default: the environment's. Not with `fetch`. */
  proxy?: string | false;
  /** Default: 3 repetitions from 5 s on, longer when the service asks for it (429, 503). */
  retry?: RetryOptions;
  /** One exchange. Default 30,000. */
  timeoutMs?: number;
  logger?: Logger;
  signal?: AbortSignal;
}

const OPTIONS: OptionTable<FetchTdxCollateralOptions> = {
  source: either(text, url, "'intel', 'azure' or a URL"),
  cache: withMethods<Cache>('get', 'set'),
  cacheSecret: oneOrMore(bytes(32)),
  update: oneOf('standard', 'early'),
  tcbEvaluationDataNumber: integer(0, 0xffff_ffff),
  fetch: callable<typeof fetch>(),
  proxy: either(text, custom(isOff), 'a URL or false'),
  retry: unchecked<RetryOptions>(),
  timeoutMs: milliseconds,
  logger: logger,
  signal: abortSignal,
};

function isOff(value: unknown): false {
  if (value !== false) throw invalid('not false');
  return value;
}

const MAXIMUM_ANSWER = 4 * 1024 * 1024;
// One for each cache, so that what was used once is not rolled back by what the cache holds.
const documentCaches = /* @__PURE__ */ new WeakMap<Cache, DocumentCache>();

/**
 * Fetches what the verification of a quote needs: TCB info of its FMSPC and QE identity, both of one evaluation number, the
 * revocation lists of its PCK CA and of the root, and the issuer chains out of the headers.
 *
 * @throws {AttestationError} 8 for arguments that are wrong or a quote without certificates, 20 or 21 for one that cannot be
 * read; 2 or 18 for an answer that is not the document; 5 with `status` 404 for an FMSPC or number that the service does not
 * know and 410 for a number that it no longer offers; 4 when it is still overloaded (429, 503) after all repetitions; 7 when
 * there is no answer.
 */
export async function fetchTdxCollateralIn(
  context: TransportContext,
  quote: Uint8Array,
  options: FetchTdxCollateralOptions = {},
): Promise<TdxCollateral> {
  const what = 'fetchTdxCollateral';
  const checked = checkOptions(what, options, OPTIONS);
  const { update, tcbEvaluationDataNumber, cache, timeoutMs = 30_000, logger = silentLogger, signal } = checked;
  if (update !== undefined && tcbEvaluationDataNumber !== undefined) {
    throw invalid(`${what}: update and tcbEvaluationDataNumber exclude each other`);
  }
  const platform = platformOf(checkArgument(what, 'quote', quote, bytes()));
  const { fetch, proxy } = checked;
  const settings = {
    transport: serviceTransport(context, { ...(fetch && { fetch }), ...(proxy !== undefined && { proxy }) }),
    limits: { connectTimeoutMs: Math.min(timeoutMs, 10_000), timeoutMs, maxBodyBytes: MAXIMUM_ANSWER },
    retry: retrySettings(checked.retry, HTTP_RETRIES.certificates.defaults),
    retryOn: HTTP_RETRIES.certificates.retryOn,
    logger,
  };
  const cached = documentCacheOf(cache, checked.cacheSecret, logger);
  const documents = new PcsDocuments(pcsSource(checked.source ?? 'intel'), settings, cached, signal);
  const number = tcbEvaluationDataNumber ?? update;
  const [pckCrl, rootCaCrl] = await Promise.all([documents.pckCrl(platform.ca), documents.rootCrl()]);
  const { tcbInfo, qeIdentity } = await bothDocuments(documents, platform.fmspc, number);
  return {
    tcbInfo: tcbInfo.text,
    tcbInfoSignature: tcbInfo.signature,
    tcbInfoIssuerChain: tcbInfo.chain,
    qeIdentity: qeIdentity.text,
    qeIdentitySignature: qeIdentity.signature,
    qeIdentityIssuerChain: qeIdentity.chain,
    pckCrl: pckCrl.der,
    ...(pckCrl.chain === '' ? {} : { pckCrlIssuerChain: pckCrl.chain }),
    rootCaCrl: rootCaCrl.der,
  };
}

/**
 * TCB info and QE identity of one number. Around a change of numbers, and out of a cache, the two may differ: then both are
 * asked for by number, the higher one first.
 */
async function bothDocuments(documents: PcsDocuments, fmspc: string, asked: PcsNumber) {
  const fetchBoth = async (number: PcsNumber) => {
    const [tcbInfo, qeIdentity] = await Promise.all([documents.tcbInfo(fmspc, number), documents.qeIdentity(number)]);
    return { tcbInfo, qeIdentity };
  };
  const first = await fetchBoth(asked);
  const numbers = [first.tcbInfo.number, first.qeIdentity.number].sort((one, other) => other - one);
  if (numbers[0] === numbers[1]) return first;
  for (const number of typeof asked === 'number' ? [] : numbers) {
    try {
      const both = await fetchBoth(number);
      if (both.tcbInfo.number === both.qeIdentity.number) return both;
    } catch (error) {
      const gone = error instanceof AttestationError && (error.status === 404 || error.status === 410);
      if (!gone) throw error;
    }
  }
  throw new AttestationError(
    ErrorCode.RESPONSE_PARSING,
    `the service has TCB info and QE identity of two TCB evaluation numbers, ${numbers.join(' and ')}`,
  );
}

type PcsNumber = number | 'standard' | 'early' | undefined;

/** FMSPC and CA of the platform that a quote is of. */
function platformOf(quote: Uint8Array): { fmspc: string; ca: PckCa } {
  const { pckCertification } = parseTdQuote(quote);
  if (pckCertification.type !== 5) throw invalid('the quote carries no certificate chain: its platform is not known');
  const [leaf] = parseCertificates(pckCertification.data);
  if (leaf === undefined) throw invalid('the quote carries no PCK certificate');
  const ca = leaf.issuer.commonName?.includes('Processor') === true ? 'processor' : 'platform';
  return { fmspc: hex(parsePckExtension(leaf).fmspc), ca };
}

function documentCacheOf(
  cache: Cache | undefined,
  secret: FetchTdxCollateralOptions['cacheSecret'],
  logger: Logger,
): DocumentCache {
  const known = cache === undefined ? undefined : documentCaches.get(cache);
  if (known !== undefined) return known;
  const made = new DocumentCache({
    cache,
    secrets: secret === undefined ? undefined : [secret].flat(),
    lockKey: 'lock:pcs',
    logger,
  });
  if (cache !== undefined) documentCaches.set(cache, made);
  return made;
}
