import type { SignatureEngine } from './engine.js';
import { webcryptoEngine } from './webcrypto.js';

/**
 * What verification takes from the program that it runs in, handed down as an argument: entry points of one process may
 * have different ones.
 */
export interface VerificationContext {
  readonly engine: SignatureEngine;
}

/** Of `cvm-guest-attestation/verify`: runs anywhere. */
export const webContext: VerificationContext = { engine: webcryptoEngine };
