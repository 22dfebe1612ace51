import type { RuntimeClaims } from '../abi/runtime-claims.js';

/**
 * Claims about the TDX guest; measurements in lower-case hex, in the byte order of the quote.
 *
 * Source: EAT profile for Intel Trust Domain Extensions (TDX) of the service, https://aka.ms/maa-eat-profile-tdxvm.
 */
export interface TdxClaims {
  'x-ms-compliance-status'?: string;
  'x-ms-runtime'?: Partial<RuntimeClaims>;
  /** Word for the state of the platform's firmware, for instance `UpToDate`. */
  attester_tcb_status?: string;
  /** `disabled` for a guest that cannot be debugged. */
  dbgstat?: string;
  intuse?: string;
  eat_profile?: string;
  /** Measurement of the initial contents, 48 bytes, as are the others of this kind. */
  tdx_mrtd?: string;
  tdx_mrseam?: string;
  tdx_mrsignerseam?: string;
  tdx_mrconfigid?: string;
  tdx_mrowner?: string;
  tdx_mrownerconfig?: string;
  tdx_rtmr0?: string;
  tdx_rtmr1?: string;
  tdx_rtmr2?: string;
  tdx_rtmr3?: string;
  /** 64 bytes: SHA-256 of the runtime data, then zeros. */
  tdx_report_data?: string;
  /** 8 bytes, as are the next two. */
  tdx_seam_attributes?: string;
  tdx_td_attributes?: string;
  tdx_xfam?: string;
  tdx_td_attributes_debug?: boolean;
  tdx_td_attributes_key_locker?: boolean;
  tdx_td_attributes_perfmon?: boolean;
  tdx_td_attributes_protection_keys?: boolean;
  tdx_td_attributes_septve_disable?: boolean;
  /** 16 bytes: security versions of the TDX module (minor, major) and of other components. */
  tdx_tee_tcb_svn?: string;
  tdx_seamsvn?: number;
}
