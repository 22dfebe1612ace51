import type { Evidence } from '../abi/evidence.js';
import type { SnpReport } from '../abi/snp-report-fields.js';
import { explainEvidenceIn, verifyEvidenceIn } from '../verify/evidence.js';
import type { SnpVerificationOptions, VerificationOptions } from '../verify/options.js';
import type {
  SnpReportVerification,
  VerificationResult,
  VerifiedEvidence,
  VerifiedSnpReport,
} from '../verify/result.js';
import { explainSnpReportIn, type SnpCertificates, verifySnpReportIn } from '../verify/snp/verify-snp-report.js';
import { nodeContext } from './context.js';

/**
 * Verifies what a guest says about itself, offline: the hardware vendor's root, the hardware report, the paravisor that it
 * is of, the runtime claims that it binds, the attestation key in them, its quote and PCRs, the event log and the ephemeral
 * key. Nothing is fetched.
 *
 * Without a quote everything is verified that needs none, and the check of the quote says that it was skipped; a `nonce`
 * or a policy on PCRs makes the missing quote a failure.
 *
 * @throws {VerificationError} unless every check is good: `checks` lists all of them.
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options, or a shape of `evidence`, that are wrong in
 * themselves.
 */
export function verifyEvidence(evidence: Evidence, options?: VerificationOptions): Promise<VerifiedEvidence> {
  return verifyEvidenceIn(nodeContext, evidence, options);
}

/**
 * The same as {@link verifyEvidence}, but resolves with every check whatever its outcome, also for evidence that cannot be
 * read: `ok` says whether all are good.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options, or a shape of `evidence`, that are wrong in
 * themselves.
 */
export function explainEvidence(evidence: Evidence, options?: VerificationOptions): Promise<VerificationResult> {
  return explainEvidenceIn(nodeContext, evidence, options);
}

/**
 * Verifies an SEV-SNP report of 1184 bytes down to AMD's root: about one ECDSA P-384 verification once its certificates
 * have been seen before. Nothing is fetched. The policy's defaults hold without a policy: no debugging, no migration agent,
 * VMPL 0, no VLEK. Who wrote its REPORT_DATA is not looked at: see `verifyEvidence`.
 *
 * @throws {VerificationError} unless every check is good: `checks` lists all of them.
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export function verifySnpReport(
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options?: SnpVerificationOptions,
): Promise<VerifiedSnpReport> {
  return verifySnpReportIn(nodeContext, report, certificates, options);
}

/**
 * The same as {@link verifySnpReport}, but resolves with every check whatever its outcome: `ok` says whether all are good.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export function explainSnpReport(
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options?: SnpVerificationOptions,
): Promise<SnpReportVerification> {
  return explainSnpReportIn(nodeContext, report, certificates, options);
}
