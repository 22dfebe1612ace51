import { defaultEngine } from '../engine/choose.js';
import { nodeTransport } from '../http/node-transport.js';
import { proxyAddress } from '../http/proxy.js';
import type { TokenContext } from '../token/keys-remote.js';

/** Of `cvm-guest-attestation`, in Node: the addon's OpenSSL where it loads, looked for at the first verification. */
export const nodeContext: TokenContext = {
  get engine() {
    return defaultEngine();
  },
  ownTransport: ({ ca, proxy }) =>
    nodeTransport({
      ...(ca !== undefined && { ca }),
      ...(proxy !== undefined && { proxy: proxyAddress(proxy, 'proxy') }),
    }),
  directTransport: () => nodeTransport({ proxy: false }),
};
