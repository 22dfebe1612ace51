import type { Evidence } from '../../abi/evidence.js';
import type { HclStructure } from '../../abi/hcl-report.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList } from '../check-codes.js';
import type { HardwareVerification } from '../hardware.js';
import type { CheckedOptions } from '../options.js';
import { certificateFacts, hasProvenClaims, type SnpFacts } from '../result.js';
import { checkSnpPolicy } from './check-policy.js';
import { checkSnpReport, snpWarnings } from './hardware.js';
import { identifySnpParavisor } from './paravisor.js';

/** The SNP report in the HCL report: down to AMD's root, under the policy. */
export async function verifySnpHardware(
  engine: SignatureEngine,
  list: CheckList,
  hcl: HclStructure,
  { certificates }: Evidence,
  options: CheckedOptions,
): Promise<HardwareVerification> {
  list.equal('report', 'hardware report type', 'ERR_REPORT_TYPE', 'snp', hcl.reportType);
  const others = certificates?.chain ?? [];
  const verified = await checkSnpReport(
    engine,
    list,
    hcl.hardwareReport,
    { leaf: certificates?.vcek, others: typeof others === 'string' ? [others] : others },
    options,
  );
  const { report, product, chain } = verified;
  if (report !== undefined) checkSnpPolicy(list, options, report, verified);
  const facts: Partial<SnpFacts> = {};
  if (report !== undefined) facts.report = report;
  if (product !== undefined) facts.product = product;
  if (chain !== undefined) facts.certificates = certificateFacts(chain);
  return {
    tee: 'snp',
    ...(report === undefined ? {} : { paravisor: identifySnpParavisor(report, options) }),
    warnings: snpWarnings(report),
    result: (common, ok) =>
      ok && isComplete(facts) && hasProvenClaims(common)
        ? { tee: 'snp', ...common, ...facts, ok }
        : { tee: 'snp', ...common, ...facts, ok: false },
  };
}

function isComplete(facts: Partial<SnpFacts>): facts is SnpFacts {
  return facts.report !== undefined && facts.product !== undefined && facts.certificates !== undefined;
}
