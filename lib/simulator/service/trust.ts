import type { X509Certificate } from 'node:crypto';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { VerificationPolicy } from '../../verify/policy.js';

/** What the attestation service believes without proof. */
export interface ServiceTrust {
  /** Roots of AMD-like chains; a chain has to end in one of their keys. */
  roots: readonly X509Certificate[];
  /** Authorities of attestation key certificates. */
  akAuthorities: readonly X509Certificate[];
  /** Launch measurements of Azure's paravisor, hex: who measured something else wrote REPORT_DATA himself. */
  measurements?: readonly string[] | undefined;
  /** What TDX guests are verified with; undefined for a service that takes none. */
  tdx?: TdxTrust | undefined;
  now: () => Date;
}

/** What TD quotes are verified with. */
export interface TdxTrust {
  /** PEM. */
  roots: readonly string[];
  collateral: TdxCollateral;
  policy: VerificationPolicy;
}
