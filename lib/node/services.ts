import type { ImdsOptions } from '../imds/imds.js';
import { type KdsOptions, KdsServiceClient } from '../imds/kds.js';
import { fetchThimCertificatesIn } from '../imds/thim.js';
import { type MaaClientOptions, MaaServiceClient } from '../maa/maa-client.js';
import { nodeContext } from './context.js';
import { defaultCacheDirectory, fileCache } from './file-cache.js';

/** {@link MaaServiceClient} over this library's own connections, or `fetch`. */
export class MaaClient extends MaaServiceClient {
  /** @throws {AttestationError} 7, 8 or 27 when the address or an option is wrong. */
  constructor(instanceUrl: string, options: MaaClientOptions = {}) {
    super(instanceUrl, options, nodeContext);
  }
}

/** {@link KdsServiceClient} whose answers are kept in the user's cache folder unless told otherwise. */
export class KdsClient extends KdsServiceClient {
  /** @throws {AttestationError} 8 for options out of range. */
  constructor(options: KdsOptions = {}) {
    super(options, {
      ...nodeContext,
      folderCache: (directory, name) => fileCache(directory ?? defaultCacheDirectory(name)),
    });
  }

  override async vcek(...request: Parameters<KdsServiceClient['vcek']>): Promise<Buffer> {
    return Buffer.from(await super.vcek(...request));
  }

  override async crl(...request: Parameters<KdsServiceClient['crl']>): Promise<Buffer> {
    return Buffer.from(await super.crl(...request));
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
  return fetchThimCertificatesIn(nodeContext, options);
}
