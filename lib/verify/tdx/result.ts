import type { TdQuote } from '../../abi/td-quote.js';
import type { Check } from '../../base/errors.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CertificateFacts } from '../result.js';
import type { TcbShortfall, TcbStatus } from './tcb-evaluation.js';

/** What Intel's collateral says of a platform. */
export interface TdxTcb {
  /** The converged status that the policy judges. */
  status: TcbStatus;
  /** Of the platform's level, the TDX module's (one with a version only) and the quoting enclave's. */
  platform: TcbStatus;
  tdxModule?: TcbStatus;
  qe: TcbStatus;
  /** By TEE_TCB_SVN2: what the TD would get if it were launched now. Quotes with a body of TDX 1.5 only. */
  current?: TcbStatus;
  /** The earliest date of the levels that are reached. */
  tcbDate?: Date;
  advisoryIds: string[];
  evaluationDataNumber: number;
  /** When the first part of the collateral ends: a document, a revocation list or a signing certificate. */
  collateralExpires: Date;
  /** 12 hex digits. */
  fmspc: string;
  pceId: number;
  /** What keeps the platform below the lowest level; only with status `NotSupported`. */
  shortfall?: TcbShortfall[];
}

interface TdQuoteFacts {
  tee: 'tdx';
  /** Every check, in the order in which they were made. */
  checks: Check[];
  /** Which engine computed the signatures. */
  engine: SignatureEngine['name'];
  /** Certificates that were used, whether or not they are good. */
  certificates?: { pck: CertificateFacts; ca: CertificateFacts; root: CertificateFacts; tcbSigning?: CertificateFacts };
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
