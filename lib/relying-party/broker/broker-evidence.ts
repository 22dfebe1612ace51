import type { Evidence } from '../../abi/evidence.js';
import { withChecks } from '../../base/checks.js';
import { silentLogger } from '../../base/logger.js';
import {
  EvidenceExaminer,
  type EvidenceExchange,
  type Examination,
  lacksOnly,
  refusalOf,
} from '../evidence-examination.js';
import { RevocationLists, wantedCrl } from '../revocation-lists.js';
import { fetchedCollateral } from '../verifier/fetched-collateral.js';
import type { KeyBrokerOptions } from './options.js';
import { ProductChains } from './product-chains.js';

/** For how long a request waits for a document of Intel or AMD. */
const FETCH_DEADLINE_MS = 10_000;
/** What checks say where documents are all that is missing: evidence of this protocol has none. */
const WITHOUT_DOCUMENTS = ['ERR_COLLATERAL_MISSING', 'ERR_CERTIFICATE_MISSING', 'ERR_CRL'] as const;

/** Verifies the evidence of `attest`. Nothing is fetched for evidence of which anything else is wrong. */
export class BrokerEvidence {
  readonly #options: KeyBrokerOptions;
  readonly #examiner: EvidenceExaminer;
  readonly #chains: ProductChains | undefined;
  readonly #crls: RevocationLists | undefined;

  constructor(options: KeyBrokerOptions) {
    const { policy, trustedRoots, crls, now, chain, logger = silentLogger } = options;
    this.#options = options;
    this.#examiner = new EvidenceExaminer('createKeyBroker', {
      ...(policy && { policy }),
      ...(trustedRoots && { trustedRoots }),
      ...(crls && typeof crls !== 'function' && { crls }),
      ...(now && { now }),
    });
    if (chain !== undefined && typeof chain !== 'string')
      this.#chains = new ProductChains(chain, FETCH_DEADLINE_MS, logger);
    if (typeof crls === 'function') this.#crls = new RevocationLists(crls, FETCH_DEADLINE_MS, logger);
  }

  /**
   * @param bound what the quote and the report must be over
   *
   * @throws {VerificationError} for evidence that is refused, and where a document cannot be had ({@link isUnavailable}).
   * @throws {BrokerRefusal} 503 where a chain cannot be had.
   */
  async verify(evidence: Evidence, bound: Uint8Array) {
    const examined = await this.#examined(evidence, { nonce: bound, userData: bound });
    const result = withChecks(examined.result, examined.list);
    if (!result.ok) throw refusalOf(result.checks);
    return result;
  }

  async #examined(evidence: Evidence, exchange: EvidenceExchange): Promise<Examination> {
    const { collateral, chain } = this.#options;
    if (typeof collateral === 'object') exchange.collateral = collateral;
    if (this.#crls !== undefined) exchange.crls = this.#crls.current;
    const given = withChain(evidence, typeof chain === 'string' ? chain : (this.#chains?.kept ?? ''));
    const examined = await this.#examiner.examine(given, exchange);
    if (examined.result.ok || !lacksOnly(examined, WITHOUT_DOCUMENTS)) return examined;
    return (await this.#withFetched(given, exchange, examined)) ?? examined;
  }

  /** Undefined where there is nobody to ask for what is missing. */
  async #withFetched(
    evidence: Evidence,
    exchange: EvidenceExchange,
    { result, list }: Examination,
  ): Promise<Examination | undefined> {
    const { collateral, logger = silentLogger } = this.#options;
    if (evidence.tdQuote !== undefined) {
      if (typeof collateral !== 'function') return undefined;
      const fetched = await fetchedCollateral(collateral, evidence.tdQuote, FETCH_DEADLINE_MS, logger);
      if (fetched === undefined) return undefined;
      return this.#examiner.examine(evidence, Object.assign({}, exchange, { collateral: fetched }));
    }
    if (result.tee !== 'snp' || result.report === undefined || result.product === undefined) return undefined;
    const { report, product } = result;
    const isWithoutChain = list.outcomes.some(({ ok, code }) => !ok && code === 'ERR_CERTIFICATE_MISSING');
    if (isWithoutChain && this.#chains === undefined) return undefined;
    if (!isWithoutChain && this.#crls === undefined) return undefined;
    const chain = isWithoutChain ? await this.#chains?.fetched(product) : undefined;
    const wanted = wantedCrl({ product, signingKey: report.signingKey });
    const crls = this.#crls && wanted && [await this.#crls.get(wanted)];
    const examined = await this.#examiner.examine(
      chain === undefined ? evidence : withChain(evidence, chain),
      crls === undefined ? exchange : Object.assign({}, exchange, { crls }),
    );
    if (examined.result.ok && chain !== undefined) this.#chains?.keep(product, chain);
    return examined;
  }
}

function withChain(evidence: Evidence, chain: string): Evidence {
  const { certificates } = evidence;
  if (certificates === undefined || chain === '') return evidence;
  return Object.assign({}, evidence, { certificates: Object.assign({}, certificates, { chain }) });
}
