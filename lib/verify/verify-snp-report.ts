import { parseSnpReport } from '../abi/snp-report.js';
import { VerificationError } from '../base/errors.js';
import { native } from '../native.js';
import { type EndorsementChain, openChain } from './chain.js';
import { checkChain, checkDates, checkRevocation } from './check-certificates.js';
import { CheckList } from './check-list.js';
import {
  checkLeafBinding,
  checkLeafType,
  checkProduct,
  checkReportHead,
  checkReportSignature,
  checkTcbOrder,
} from './check-report.js';
import { type CheckedOptions, checkOptions, requireObject, type SnpVerificationOptions } from './options.js';
import { checkPolicy } from './policy-checks.js';
import { certificateFacts, type VerificationResult } from './result.js';
import type { Product, SnpReport } from './types.js';

/** Certificates of a report, each DER or PEM; PEM text of the VCEK may hold ASK and ARK as well. */
export interface SnpCertificates {
  /** VCEK, or VLEK where the policy allows one. */
  vcek: Uint8Array | string;
  /** ASK, or ASVK for a VLEK. */
  ask?: Uint8Array | string;
  ark?: Uint8Array | string;
}

/** What is known after the report's own checks. */
export interface ReportVerification {
  report?: SnpReport;
  product?: Product;
  chain?: EndorsementChain;
}

/**
 * Verifies an SEV-SNP report of 1184 bytes down to AMD's root: about one ECDSA P-384 verification once its certificates
 * have been seen before. Never throws over what is wrong with the report or the certificates: the result lists every
 * check. Nothing is fetched.
 *
 * The policy's defaults hold without a policy: no debugging, no migration agent, VMPL 0, no VLEK.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options that are wrong in themselves.
 */
export function verifySnpReport(
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options: SnpVerificationOptions = {},
): VerificationResult {
  const checked = checkOptions(options);
  requireObject('the certificates are', certificates);
  // A machine that cannot verify must not look like a report that is refused.
  native();
  const list = new CheckList();
  const bytes = report instanceof Uint8Array ? report : report?.raw;
  const others = [certificates.ask, certificates.ark].filter((input) => input !== undefined);
  const verified = checkReport(list, bytes, { leaf: certificates.vcek, others }, checked);
  if (verified.report !== undefined) checkPolicy(list, checked.policy, verified.report, verified);
  return resultOf(list, verified);
}

/** The same as {@link verifySnpReport}, but throws a `VerificationError` unless every check passed. */
export function assertSnpReport(
  report: Uint8Array | SnpReport,
  certificates: SnpCertificates,
  options: SnpVerificationOptions = {},
): Extract<VerificationResult, { ok: true }> {
  return assertResult(verifySnpReport(report, certificates, options));
}

/** Throws the first failed check of a result, with all of them. */
export function assertResult(result: VerificationResult): Extract<VerificationResult, { ok: true }> {
  if (result.ok) return result;
  const failed = result.checks.find((check) => !check.ok);
  const values = failed?.actual === undefined ? '' : `: ${failed.actual}`;
  throw new VerificationError(
    failed?.code ?? 'ERR_NOT_CHECKED',
    `${failed?.name ?? 'verification'}${values}`,
    result.checks,
  );
}

/** Every check of a report but the policy's, in the order in which one makes the next one meaningful. */
export function checkReport(
  list: CheckList,
  bytes: Uint8Array,
  certificates: { leaf: Uint8Array | string | undefined; others: readonly (Uint8Array | string)[] },
  options: CheckedOptions,
): ReportVerification {
  let report: SnpReport;
  try {
    // A copy: what is verified stays what was verified when the caller's buffer changes.
    report = parseSnpReport(new Uint8Array(bytes));
  } catch (error) {
    list.add('report', 'report can be read', 'ERR_SNP_REPORT', false, { actual: messageOf(error) });
    return {};
  }
  checkReportHead(list, report);
  const chain = findChain(list, certificates, options);
  if (chain === undefined) {
    for (const name of ['report signature', 'hardware id', 'TCB']) list.notChecked('report', name, 'no certificates');
    checkTcbOrder(list, report);
    return { report };
  }
  const leafProduct = chain.endorsement?.structVersion === 1 ? 'Turin' : 'Milan';
  if (report.version < 3 && report.tcbLayout !== leafProduct) {
    report = parseSnpReport(report.raw, { product: leafProduct });
  }
  checkLeafType(list, chain, report);
  const product = checkProduct(list, chain, report);
  checkChain(list, chain, product, options.anchors);
  checkDates(list, chain, options.now);
  checkRevocation(list, chain, options.crls, options.now);
  checkLeafBinding(list, chain.endorsement, report);
  checkReportSignature(list, chain, report);
  checkTcbOrder(list, report);
  return product === undefined ? { report, chain } : { report, chain, product };
}

function findChain(
  list: CheckList,
  { leaf, others }: { leaf: Uint8Array | string | undefined; others: readonly (Uint8Array | string)[] },
  options: CheckedOptions,
): EndorsementChain | undefined {
  if (leaf === undefined) {
    list.add('leaf', 'leaf certificate (VCEK or VLEK)', 'ERR_CERTIFICATE_MISSING', false, { actual: 'absent' });
    return undefined;
  }
  try {
    return openChain({ leaf, others, anchors: options.anchors.certificates });
  } catch (error) {
    list.add('leaf', 'certificates can be read', 'ERR_CERTIFICATE_FORMAT', false, { actual: messageOf(error) });
    return undefined;
  }
}

/** Puts the outcome together; `more` holds what only evidence has. */
export function resultOf(
  list: CheckList,
  verified: ReportVerification,
  more: Omit<Partial<VerificationResult>, 'ok' | 'checks' | 'report'> = {},
): VerificationResult {
  const { report, product, chain } = verified;
  const facts = { checks: list.checks, ...more, warnings: [...(more.warnings ?? []), ...warningsOf(report)] };
  if (product !== undefined) Object.assign(facts, { product });
  if (chain !== undefined) Object.assign(facts, { certificates: certificateFacts(chain) });
  if (report !== undefined && list.ok) return { ...facts, ok: true, report };
  return report === undefined ? { ...facts, ok: false } : { ...facts, ok: false, report };
}

function warningsOf(report: SnpReport | undefined): string[] {
  if (report === undefined) return [];
  const warnings = report.unknownFields.map(
    ({ offset, bytes }) =>
      `reserved bytes 0x${offset.toString(16)} to 0x${(offset + bytes.length - 1).toString(16)} are not zero`,
  );
  const { policy, platformInfo } = report;
  if (policy.unknownBits !== 0n) warnings.push(`unknown guest policy bits 0x${policy.unknownBits.toString(16)}`);
  if (platformInfo.unknownBits !== 0n)
    warnings.push(`unknown platform info bits 0x${platformInfo.unknownBits.toString(16)}`);
  return warnings;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
