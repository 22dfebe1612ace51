import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { custom, date } from '../../base/option-kinds.js';
import { checkOptions, NOTHING, type OptionTable } from '../../base/options.js';
import { policyOption, requireOfHardware, type VerificationPolicy } from '../policy.js';
import { type TrustAnchors, type TrustedRootInput, trustAnchors } from '../roots.js';
import { collateralOption } from './collateral-option.js';

/** What a relying party demands of a TD quote, and what it is verified with. */
export interface TdQuoteOptions {
  /** Intel's documents and revocation lists for the quote's platform, see `fetchTdxCollateral` and `importTdxCollateral`. */
  collateral?: TdxCollateral;
  /** Plain JSON, see docs/policy.md; section `tdx` and what is not of SEV-SNP alone. Its defaults apply without one. */
  policy?: VerificationPolicy;
  /** Roots that **replace** the pinned ones: certificates (DER, PEM) or products with key digests, in any mixture. */
  trustedRoots?: readonly TrustedRootInput[];
  /** The one clock for all dates; default: the system's. For an archived quote: when it was made, with the collateral of then. */
  now?: Date;
}

const TABLE: OptionTable<TdQuoteOptions> = {
  collateral: collateralOption,
  policy: policyOption,
  trustedRoots: custom((value) => value as readonly TrustedRootInput[]),
  now: date,
};

export interface CheckedTdQuoteOptions {
  readonly collateral: TdxCollateral | undefined;
  readonly policy: VerificationPolicy;
  readonly anchors: TrustAnchors;
  readonly now: Date;
}

/** Refuses options that would silently check less than the caller meant. */
export function checkTdQuoteOptions(what: string, given: unknown): CheckedTdQuoteOptions {
  const { collateral, policy = NOTHING, trustedRoots, now = new Date() } = checkOptions(what, given, TABLE);
  requireOfHardware(what, policy);
  return { collateral, policy, anchors: trustAnchors(trustedRoots), now };
}
