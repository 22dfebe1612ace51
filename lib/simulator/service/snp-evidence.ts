import { createHash } from 'node:crypto';
import type { SnpReport } from '../../abi/snp-report-fields.js';
import type { Check } from '../../base/errors.js';
import { explainSnpReport } from '../../node/verify.js';
import { malformed, untrusted } from './refusal.js';
import type { ServiceTrust } from './trust.js';

const snpReportSize = 1184;

/** Verifies a SEV-SNP report, its signing key, its chain, and what it says about the guest's policy. */
export async function verifySnpEvidence(
  bytes: Buffer,
  certificateChain: string,
  { roots, now }: ServiceTrust,
): Promise<SnpReport> {
  if (bytes.length !== snpReportSize) throw malformed(`the SNP report has ${bytes.length} bytes, not ${snpReportSize}`);
  const certificates = certificateChain.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const [vcek, ask, ark] = certificates;
  if (certificates.length !== 3 || !vcek || !ask || !ark) {
    throw malformed(`VcekCertChain holds ${certificates.length} certificates, not 3`);
  }
  const trustedRoots = roots.map((root) => root.toString());
  if (trustedRoots.length === 0) throw untrusted('this service knows no SEV-SNP platform');
  const result = await explainSnpReport(bytes, { vcek, ask, ark }, { trustedRoots, now: now() });
  if (!result.ok) throw untrusted(`the SNP report is refused: ${failureOf(result.checks)}`);
  return result.report;
}

/** The first check that failed, in words. */
export function failureOf(checks: readonly Check[]): string {
  const failed = checks.find(({ ok }) => !ok);
  if (!failed) return 'nothing was checked';
  const { name, code, expected, actual } = failed;
  return `${name} (${code ?? 'not checked'}): expected ${expected ?? 'it'}, found ${actual ?? 'something else'}`;
}

/** report_data is the SHA-256 of the runtime data, and nothing else. */
export function verifyRuntimeData({ reportData }: SnpReport, runtimeData: Buffer): void {
  const expected = Buffer.concat([createHash('sha256').update(runtimeData).digest(), Buffer.alloc(32)]);
  if (!expected.equals(reportData)) throw untrusted('the runtime data does not hash to the report data');
}

/**
 * Who was measured at launch wrote report_data: where that is not Azure's paravisor, anybody did.
 *
 * @param measurements hex; undefined takes any, for a service that is asked about machines it does not know
 */
export function verifyParavisor({ measurement }: SnpReport, measurements: readonly string[] | undefined): void {
  if (measurements && !measurements.includes(Buffer.from(measurement).toString('hex'))) {
    throw untrusted('the launch measurement is not that of a paravisor that this service knows');
  }
}
