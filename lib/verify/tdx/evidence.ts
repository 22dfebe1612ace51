import type { Evidence } from '../../abi/evidence.js';
import type { HclStructure } from '../../abi/hcl-report.js';
import { tdDifferences } from '../../abi/td-equality.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { parseTdReport, type TdReport, tdReportHashes } from '../../abi/td-report.js';
import { NOTHING } from '../../base/options.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList, Judgement } from '../check-codes.js';
import type { HardwareVerification } from '../hardware.js';
import type { CheckedEvidenceOptions } from '../options.js';
import { hasProvenClaims, type TdxFacts } from '../result.js';
import { identifyTdxParavisor } from './paravisor.js';
import { attempt, both, checkPart, passes } from './part.js';
import { certificateFacts, checkTdQuote, tdQuoteWarnings } from './td-quote.js';

const TD_REPORT = 'ERR_TD_REPORT';
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
  const read = attempt(TD_REPORT, () => parseTdReport(hcl.hardwareReport));
  const report = checkPart(list, 'report', 'TD report', read, integrityOf);
  const { policy, anchors, now } = options;
  const collateral = options.collateral ?? evidence.tdxCollateral;
  const verified = await checkTdQuote(engine, list, evidence.tdQuote, { collateral, policy, anchors, now });
  const { quote, tcb, chain } = verified;
  const equal = passes(list, () => {
    // Only the processor can check a TD report: that it is the one that was quoted is what makes it anything.
    const pair = both(report, quote === undefined ? { fault: 'no TD quote' } : { value: quote });
    checkPart(list, 'report', 'TD quote matches TD report', pair, equalityOf);
  });
  const genuine = verified.genuine && equal;
  const facts: Partial<TdxFacts> = {};
  if (quote && genuine) facts.tdQuote = quote;
  if (tcb) facts.tcb = tcb;
  if (chain) facts.certificates = certificateFacts(engine, chain, verified.collateral);
  const warnings = [...tdQuoteWarnings(verified), ...(report.value?.unknownFields ?? []).map(reservedWarning)];
  return {
    tee: 'tdx',
    ...(quote && genuine && { paravisor: identifyTdxParavisor(quote, policy.tdx ?? NOTHING) }),
    warnings,
    result: (common, ok) =>
      ok && facts.tdQuote !== undefined && facts.certificates !== undefined && hasProvenClaims(common)
        ? { tee: 'tdx', ...common, ...facts, tdQuote: facts.tdQuote, certificates: facts.certificates, ok }
        : { tee: 'tdx', ...common, ...facts, ok: false },
  };
}

function integrityOf(report: TdReport): Judgement {
  const { teeTcbInfo, teeInfo } = tdReportHashes(report);
  const wrong: string[] = [];
  if (!teeTcbInfo) wrong.push('TEE_TCB_INFO_HASH');
  if (!teeInfo) wrong.push('TEE_INFO_HASH');
  if (report.unknownFields.some(({ offset }) => UNHASHED.includes(offset))) wrong.push('reserved bytes');
  return { code: TD_REPORT, ok: wrong.length === 0, actual: equalBut(wrong) };
}

function equalityOf([report, quote]: readonly [TdReport, TdQuote]): Judgement {
  const different = tdDifferences(report, quote);
  return { code: 'ERR_TDREPORT_MISMATCH', ok: different.length === 0, actual: equalBut(different) };
}

function equalBut(different: readonly string[]): string {
  return different.length === 0 ? 'equal' : `different in ${different.join(', ')}`;
}

function reservedWarning({ offset, bytes }: TdReport['unknownFields'][number]): string {
  return `reserved bytes 0x${offset.toString(16)} to 0x${(offset + bytes.length - 1).toString(16)} of the TD report are not zero`;
}
