import { invalid } from '../base/options.js';
import { webContext } from '../engine/context.js';
import { fetchTransport } from '../http/fetch-transport.js';
import type { TokenContext } from '../token/keys-remote.js';

/** Looked up at each call: tests and service workers replace it. */
const globalFetch = fetchTransport((...request) => globalThis.fetch(...request));

/** Of `cvm-guest-attestation/verify`, in any runtime: WebCrypto and the global `fetch`. */
export const webTokenContext: TokenContext = {
  ...webContext,
  ownTransport: ({ ca, proxy }) => {
    if (ca !== undefined || proxy !== undefined) {
      throw invalid('ca and proxy need a fetch of your own in this runtime');
    }
    return globalFetch;
  },
  directTransport: () => globalFetch,
};
