import { invalid } from '../base/options.js';
import { webContext } from '../engine/context.js';
import { fetchTransport } from '../http/fetch-transport.js';
import type { TokenContext } from '../token/context.js';

/** Of `cvm-guest-attestation/verify`, in any runtime: WebCrypto and the global `fetch`. */
export const webTokenContext: TokenContext = {
  ...webContext,
  ownTransport: ({ ca, proxy }) => {
    if (ca !== undefined || proxy !== undefined) {
      throw invalid('keyFetch.ca and keyFetch.proxy cannot be had here: give a fetch of your own that has them');
    }
    return fetchTransport((...request) => globalThis.fetch(...request));
  },
};
