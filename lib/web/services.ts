import { invalid } from '../base/options.js';
import type { ImdsOptions } from '../imds/imds.js';
import { type KdsOptions, KdsServiceClient } from '../imds/kds.js';
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
        if (directory !== undefined) throw invalid('cacheDirectory cannot be had in this runtime: give a cache');
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
