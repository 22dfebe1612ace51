import type { SnpReport } from '../../abi/snp-report-fields.js';
import { isBytes } from '../../base/bytes.js';
import { withChecks } from '../../base/checks.js';
import { custom } from '../../base/option-kinds.js';
import { checkArgument, checkOptions, type OptionTable, required } from '../../base/options.js';
import type { VerificationContext } from '../../engine/context.js';
import { CheckList } from '../check-codes.js';
import { checkTeePolicy } from '../check-guest.js';
import { copyBounded } from '../copy.js';
import { checkSnpOptions, type SnpVerificationOptions } from '../options.js';
import { refusalOf } from '../refusal.js';
import { certificateFacts, type SnpReportVerification, type VerifiedSnpReport } from '../result.js';
import { checkSnpPolicy } from './check-policy.js';
import { checkSnpReport, snpWarnings } from './hardware.js';

/** Certificates of a report, each DER or PEM; PEM text of the VCEK may hold ASK and ARK as well. */
export interface SnpCertificates {
  /** VCEK, or VLEK where the policy allows one. */
  vcek: Uint8Array | string;
  /** ASK, or ASVK for a VLEK. */
  ask?: Uint8Array | string;
  ark?: Uint8Array | string;
}

// An empty or an oversized one is refused by a check, as every other fault of it.
const MAXIMUM_CERTIFICATE = 256 * 1024;
const certificate = custom((value, name): Uint8Array | string =>
  typeof value === 'string' ? value : copyBounded(value, name, MAXIMUM_CERTIFICATE),
);

const CERTIFICATES: OptionTable<SnpCertificates> = {
  vcek: required(certificate),
  ask: certificate,
  ark: certificate,
};

// Not copied beyond what a report can be: the parser refuses the rest by its size.
const MAXIMUM_REPORT = 4096;
const reportBytes = custom((value): Uint8Array => {
  const raw = isBytes(value) ? value : (value as Partial<SnpReport> | null)?.raw;
  return copyBounded(raw, 'report', MAXIMUM_REPORT);
});

/**
 * Verifies an SEV-SNP report of 1184 bytes down to AMD's root: about one ECDSA P-384 verification once its certificates
 * have been seen before. Nothing is fetched.
 *
 * The policy's defaults hold without a policy: no debugging, no migration agent, VMPL 0, no VLEK.
 *
 * @throws {VerificationError} unless every check is good: `checks` lists all of them.
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export async function verifySnpReportIn(
  context: VerificationContext,
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options: SnpVerificationOptions = {},
): Promise<VerifiedSnpReport> {
  const result = await explain(context, 'verifySnpReport', report, certificates, options);
  if (!result.ok) throw refusalOf(result.checks);
  return result;
}

/**
 * The same, but resolves with every check whatever its outcome: `ok` says whether all are good.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for arguments that are wrong in themselves.
 */
export function explainSnpReportIn(
  context: VerificationContext,
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options: SnpVerificationOptions = {},
): Promise<SnpReportVerification> {
  return explain(context, 'explainSnpReport', report, certificates, options);
}

async function explain(
  { engine }: VerificationContext,
  what: string,
  given: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options: SnpVerificationOptions,
): Promise<SnpReportVerification> {
  const checked = checkSnpOptions(what, options);
  const { vcek, ask, ark } = checkOptions(`${what}: the certificates`, certificates, CERTIFICATES);
  const bytes = checkArgument(what, 'report', given, reportBytes);
  const list = new CheckList();
  const others = [ask, ark].filter((input) => input !== undefined);
  const verified = await checkSnpReport(engine, list, bytes, { leaf: vcek, others }, checked);
  const { report, product, chain } = verified;
  checkTeePolicy(list, checked.policy, 'snp');
  if (report !== undefined) checkSnpPolicy(list, checked, report, verified);
  const shown = chain === undefined ? undefined : certificateFacts(chain);
  const ok = list.ok && report !== undefined && product !== undefined && shown !== undefined;
  const result = { engine: engine.name, warnings: snpWarnings(report), ok };
  Object.assign(result, report && { report }, product && { product }, shown && { certificates: shown });
  return withChecks(result, list) as SnpReportVerification;
}
