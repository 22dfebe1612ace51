import type { TdQuote } from '../../abi/td-quote.js';
import type { Check } from '../../base/errors.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { TdxCertificateFacts } from '../result.js';
import type { TdxTcb } from './tcb.js';

interface TdQuoteFacts {
  tee: 'tdx';
  /** Every check, in the order in which they were made. */
  checks: Check[];
  /** Which engine computed the signatures. */
  engine: SignatureEngine['name'];
  /** Certificates that were used, whether or not they are good. */
  certificates?: TdxCertificateFacts;
  /** What nothing signs or nothing explains, in sentences. Never a reason to refuse. */
  warnings: string[];
  /** Present once chain, signatures and collateral are good, also when its status is refused. */
  tcb?: TdxTcb;
}

/** A quote of which everything that was asked for is proven. Without `tcb` nobody looked whether the platform is up to date. */
export interface VerifiedTdQuote extends TdQuoteFacts {
  ok: true;
  tdQuote: TdQuote;
}

/** At least one check failed: `checks` says which. */
export interface RefusedTdQuote extends TdQuoteFacts {
  ok: false;
  /** Present only when its signatures lead up to a trusted root. */
  tdQuote?: TdQuote;
}

export type TdQuoteVerification = VerifiedTdQuote | RefusedTdQuote;
