import type { TcbShortfall, TcbStatus } from './tcb-evaluation.js';

/** What a policy accepts that says nothing of it. */
export const ACCEPTED_BY_DEFAULT: readonly Exclude<TcbStatus, 'Revoked' | 'NotSupported'>[] = [
  'UpToDate',
  'SWHardeningNeeded',
];

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
  /** 16 SVNs of the PCK certificate, and its PCESVN: what the platform was certified with. */
  sgxTcb: number[];
  pcesvn: number;
  /** What keeps the platform below the lowest level; only with status `NotSupported`. */
  shortfall?: TcbShortfall[];
}

/** For people: `sgx[7] (OS/VMM, SEAMLDR ACM) is 3, at least 5 is required`. */
export function shortfallText(shortfall: readonly TcbShortfall[]): string {
  return shortfall
    .map(({ component, category, type, actual, required }) => {
      const names = [category, type].filter((name) => name !== undefined).join(', ');
      return `${component}${names === '' ? '' : ` (${names})`} is ${actual}, at least ${required} is required`;
    })
    .join('; ');
}
