import type { TdQuoteOptions } from '../verify/tdx/options.js';
import type { TdQuoteVerification, VerifiedTdQuote } from '../verify/tdx/result.js';
import { explainTdQuoteIn, verifyTdQuoteIn } from '../verify/tdx/td-quote.js';
import { nodeContext } from './context.js';

/**
 * Verifies a TD quote of version 4 or 5 up to Intel's root: certificates and revocation, quoting enclave, attestation key,
 * quote, the signed collateral, the TDX module and the platform's TCB, then the policy. Nothing is fetched. What binds the
 * quote to an Azure guest is not looked at: that is `verifyEvidence`.
 *
 * Without a policy the TCB must be `UpToDate` or `SWHardeningNeeded`, collateral must be given, and the TD may be neither
 * debugged nor migrated.
 *
 * @throws {VerificationError} with the code of the first failed check; `checks` lists every check.
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export function verifyTdQuote(quote: Uint8Array, options: TdQuoteOptions = {}): Promise<VerifiedTdQuote> {
  return verifyTdQuoteIn(nodeContext, quote, options);
}

/**
 * Does what {@link verifyTdQuote} does, for people: resolves with every check, passed or failed, also for bytes that are not a
 * quote. `tcb` is there once chain, signatures and collateral are good, also when its status is refused.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export function explainTdQuote(quote: Uint8Array, options: TdQuoteOptions = {}): Promise<TdQuoteVerification> {
  return explainTdQuoteIn(nodeContext, quote, options);
}
