import type { TcbStatus } from './tcb-evaluation.js';

/** Hex digits, or a list of which any will do. */
type HexValues = string | string[];

/** Value of a field under a mask, 16 hex digits each, in the order of the quote's bytes. */
export interface MaskedField {
  value: string;
  mask: string;
}

/** What a relying party demands of a TD: section `tdx` of a policy. */
export interface TdxPolicy {
  /** Default: `UpToDate` and `SWHardeningNeeded`. `Revoked` cannot be accepted; for `NotSupported` see below. */
  acceptedTcbStatuses?: Exclude<TcbStatus, 'Revoked' | 'NotSupported'>[];
  /**
   * Accept a platform that reaches none of Intel's levels, as many genuine Azure hosts do. Demands `minimumSgxTcb` and
   * `minimumTeeTcbSvn` in their place. Default: false.
   */
  allowUnsupportedTcb?: boolean;
  /** 16 least SVNs of the PCK certificate's components. */
  minimumSgxTcb?: number[];
  minimumPcesvn?: number;
  /** Of both documents. */
  minimumTcbEvaluationDataNumber?: number;
  /** For instance `INTEL-SA-00960`: none of them may be open. */
  deniedAdvisories?: string[];
  /** No other than these may be open. */
  allowedAdvisories?: string[];
  /** Demand that the TCB that is there now (TEE_TCB_SVN2, TDX 1.5) has an accepted status as well. Default: false. */
  requireCurrentTcb?: boolean;
  /** 16 least SVNs of the TD's TCB; the first two are a version pair: the second is compared first. */
  minimumTeeTcbSvn?: number[];
  mrtd?: HexValues;
  mrseam?: HexValues;
  mrconfigid?: HexValues;
  mrowner?: HexValues;
  mrownerconfig?: HexValues;
  /** By index 0 to 3, as a list of four or fewer (null: any value) or by name. */
  rtmrs?: (HexValues | null)[] | Partial<Record<'0' | '1' | '2' | '3', HexValues>>;
  xfam?: MaskedField;
  tdAttributes?: MaskedField;
  /** Accept a TD that may migrate (MIGRATABLE) or that trusts a service TD (MRSERVICETD). Default: false. */
  allowMigration?: boolean;
  /** With false, evidence without collateral is verified as far as it can be; the result has no `tcb` then. Default: true. */
  requireCollateral?: boolean;
}
