import { defaultEngine } from '../engine/choose.js';
import type { VerificationContext } from '../engine/context.js';

/** Of `cvm-guest-attestation`, in Node: the addon's OpenSSL where it loads. It is looked for at the first verification. */
export const nodeContext: VerificationContext = {
  get engine() {
    return defaultEngine();
  },
};
