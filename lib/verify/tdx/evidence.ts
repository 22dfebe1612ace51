import type { Evidence } from '../../abi/evidence.js';
import type { HclStructure } from '../../abi/hcl-report.js';
import { tdDifferences } from '../../abi/td-equality.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { parseTdReport, type TdReport, tdReportHashes } from '../../abi/td-report.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList } from '../check-codes.js';
import type { HardwareVerification } from '../hardware.js';
import type { CheckedEvidenceOptions } from '../options.js';
import { messageOf } from '../refusal.js';
import { hasProvenClaims, type TdxFacts } from '../result.js';
import { identifyTdxParavisor } from './paravisor.js';
import { type CheckedTdQuote, certificateFacts, checkTdQuote, tdQuoteWarnings } from './td-quote.js';

/** Reserved fields that no hash covers. The others may be a newer module's, and are hashed. */
const UNHASHED: readonly number[] = [0x004, 0x0c0, 0x1ef];

/**
 * The TD report in the HCL report, and the TD quote that proves it: up to Intel's root, under the policy. Everything that is
 * told of the TD is the quote's.
 */
export async function verifyTdxHardware(
  engine: SignatureEngine,
  list: CheckList,
  hcl: HclStructure,
  evidence: Evidence,
  options: CheckedEvidenceOptions,
): Promise<HardwareVerification> {
  list.equal('report', 'hardware report type', 'ERR_REPORT_TYPE', 'tdx', hcl.reportType);
  const report = checkTdReport(list, hcl.hardwareReport);
  const { policy, anchors, now } = options;
  const collateral = options.collateral ?? evidence.tdxCollateral;
  const verified = await checkTdQuote(engine, list, evidence.tdQuote, { collateral, policy, anchors, now });
  const { quote } = verified;
  const equal = checkEquality(list, report, quote);
  const genuine = verified.genuine && equal;
  const facts = factsOf(engine, verified, genuine);
  const warnings = [...tdQuoteWarnings(verified), ...(report?.unknownFields ?? []).map(reservedWarning)];
  return {
    tee: 'tdx',
    ...(quote !== undefined && genuine ? { paravisor: identifyTdxParavisor(quote, policy.tdx ?? {}) } : {}),
    warnings,
    result: (common, ok) =>
      ok && facts.tdQuote !== undefined && facts.certificates !== undefined && hasProvenClaims(common)
        ? { ...common, ...facts, tdQuote: facts.tdQuote, certificates: facts.certificates, ok, tee: 'tdx' }
        : { ...common, ...facts, ok: false, tee: 'tdx' },
  };
}

function factsOf(
  engine: SignatureEngine,
  { quote, tcb, chain, collateral }: CheckedTdQuote,
  genuine: boolean,
): Partial<TdxFacts> {
  return {
    ...(quote !== undefined && genuine ? { tdQuote: quote } : {}),
    ...(tcb === undefined ? {} : { tcb }),
    ...(chain === undefined ? {} : { certificates: certificateFacts(engine, chain, collateral) }),
  };
}

function checkTdReport(list: CheckList, bytes: Uint8Array): TdReport | undefined {
  const name = 'TD report';
  let report: TdReport;
  try {
    report = parseTdReport(bytes);
  } catch (error) {
    list.add('report', name, 'ERR_TD_REPORT', false, { actual: messageOf(error) });
    return undefined;
  }
  const { teeTcbInfo, teeInfo } = tdReportHashes(report);
  const faults: string[] = [];
  if (!teeTcbInfo) faults.push('TEE_TCB_INFO_HASH is not that of TEE_TCB_INFO');
  if (!teeInfo) faults.push('TEE_INFO_HASH is not that of TDINFO');
  if (report.unknownFields.some(({ offset }) => UNHASHED.includes(offset))) faults.push('reserved bytes are not zero');
  list.add('report', name, 'ERR_TD_REPORT', faults.length === 0, {
    expected: 'hashes of its parts',
    actual: faults.join(', ') || 'hashes of its parts',
  });
  return report;
}

/** Only the processor can check a TD report: that it is the one that was quoted is what makes it anything. */
function checkEquality(list: CheckList, report: TdReport | undefined, quote: TdQuote | undefined): boolean {
  const name = 'TD quote matches TD report';
  if (report === undefined || quote === undefined) {
    list.notChecked('report', name, report === undefined ? 'no TD report' : 'no TD quote');
    return false;
  }
  const different = tdDifferences(report, quote);
  return list.add('report', name, 'ERR_TDREPORT_MISMATCH', different.length === 0, {
    expected: 'equal in every field',
    actual: different.length === 0 ? 'equal' : `different in ${different.join(', ')}`,
  });
}

function reservedWarning({ offset, bytes }: TdReport['unknownFields'][number]): string {
  return `reserved bytes 0x${offset.toString(16)} to 0x${(offset + bytes.length - 1).toString(16)} of the TD report are not zero`;
}
