import type { Evidence } from '../abi/evidence.js';
import type { HclStructure } from '../abi/hcl-report.js';
import type { SignatureEngine } from '../engine/engine.js';
import type { CheckList } from './check-codes.js';
import type { CheckedEvidenceOptions } from './options.js';
import type { ParavisorIdentity } from './paravisor.js';
import type { EvidenceFacts, Unlisted, VerificationResult } from './result.js';
import { verifySnpHardware } from './snp/evidence.js';
import { verifyTdxHardware } from './tdx/evidence.js';

/** What is known of the machine once its hardware report has been checked. */
export interface HardwareVerification {
  /** By the HCL report's type, never by which members the evidence has. */
  tee?: 'snp' | 'tdx';
  paravisor?: ParavisorIdentity;
  warnings: string[];
  /** Puts the result together; `ok`: every check of the evidence is good. */
  result(facts: Unlisted<EvidenceFacts>, ok: boolean): Unlisted<VerificationResult>;
}

/** The hardware report of the TEE that the HCL report names, with the policy's demands on it. */
export function checkHardware(
  engine: SignatureEngine,
  list: CheckList,
  hcl: HclStructure | undefined,
  evidence: Evidence,
  options: CheckedEvidenceOptions,
): Promise<HardwareVerification> | HardwareVerification {
  if (hcl === undefined) {
    list.notChecked('report', 'hardware report', 'the HCL report cannot be read');
    return UNKNOWN;
  }
  if (hcl.reportType === 'snp') return verifySnpHardware(engine, list, hcl, evidence, options);
  if (hcl.reportType === 'tdx') return verifyTdxHardware(engine, list, hcl, evidence, options);
  list.add('report', 'hardware report type', 'ERR_REPORT_TYPE', false, {
    expected: ['snp', 'tdx'],
    actual: hcl.reportType,
  });
  list.notChecked('report', 'report signature', 'another kind of report');
  return UNKNOWN;
}

const UNKNOWN: HardwareVerification = {
  warnings: [],
  result: (facts) => Object.assign({}, facts, { ok: false as const }),
};
