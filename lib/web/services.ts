import type { TdxCollateral } from '../abi/tdx-collateral.js';
import { invalid } from '../base/options.js';
import type { ImdsOptions } from '../imds/imds.js';
import { type KdsOptions, KdsServiceClient } from '../imds/kds.js';
import { type FetchTdxCollateralOptions, fetchTdxCollateralIn } from '../imds/pcs.js';
import { fetchThimCertificatesIn } from '../imds/thim.js';
import { type MaaClientOptions, MaaServiceClient } from '../maa/maa-client.js';
import { webTokenContext } from './context.js';

/** {@link MaaServiceClient} over `fetch`. */
export class MaaClient extends MaaServiceClient {
  /** @throws {AttestationError} 7, 8 or 27 when the address or an option is wrong. */
  constructor(instanceUrl: string, options: MaaClientOptions = {}) {
    super(instanceUrl, options, webTokenContext);
  }
}

/** {@link KdsServiceClient} over `fetch`; answers are kept in memory unless a `cache` is given. */
export class KdsClient extends KdsServiceClient {
  /** @throws {AttestationError} 8 for options out of range. */
  constructor(options: KdsOptions = {}) {
    super(options, {
      ...webTokenContext,
      folderCache: (directory) => {
        if (directory !== undefined) throw invalid('cacheDirectory is not available in this runtime: give a cache');
        return undefined;
      },
    });
  }
}

/**
 * VCEK and chain of the host, from instance metadata of the machine that this runs on.
 *
 * @throws AttestationError 8 for an option out of range; 18 for an empty answer, 16 for one that is not a JSON object, 17
 * when a certificate is missing; 4, 5 and 7 as for every exchange.
 */
export function fetchThimCertificates(
  options: ImdsOptions & { signal?: AbortSignal } = {},
): Promise<{ vcek: string; chain: string }> {
  return fetchThimCertificatesIn(webTokenContext, options);
}

/**
 * Fetches what the verification of a TD quote needs besides it: TCB info of its platform and QE identity, both of one
 * evaluation number, the revocation lists of its PCK CA and of Intel's root, and the issuer chains. From Intel, Azure's cache
 * or another address; nothing of it is trusted before `verifyTdQuote` has verified it.
 *
 * @throws {AttestationError} 8 for arguments that are wrong or a quote without certificates, 20 or 21 for one that cannot be
 * read; 2 or 18 for an answer that is not the document; 5 with `status` 404 for an FMSPC or number that the service does not
 * know and 410 for a number that it no longer offers; 4 when it is still overloaded (429, 503) after all repetitions; 7 when
 * there is no answer.
 */
export function fetchTdxCollateral(quote: Uint8Array, options: FetchTdxCollateralOptions = {}): Promise<TdxCollateral> {
  return fetchTdxCollateralIn(webTokenContext, quote, options);
}
