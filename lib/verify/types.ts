export type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from '../abi/evidence.js';
export type { HclReport, HclReportType } from '../abi/hcl-report.js';
export type { RuntimeClaims, RuntimeClaimsKey } from '../abi/runtime-claims.js';
export { type GuestPolicy, type PlatformInfo, SigningKey, type SnpReport } from '../abi/snp-report-fields.js';
export type { Product, Tcb } from '../abi/tcb.js';
export type { TrustedRoot } from './roots.js';
