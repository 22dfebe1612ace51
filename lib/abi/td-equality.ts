import { equalBytes } from '../base/bytes.js';
import type { TdQuote } from './td-quote.js';
import type { TdMeasurements, TdReport } from './td-report.js';

const FIELDS = [
  'teeTcbSvn',
  'mrseam',
  'mrsignerseam',
  'seamAttributes',
  'tdAttributes',
  'xfam',
  'mrtd',
  'mrconfigid',
  'mrowner',
  'mrownerconfig',
  'reportData',
] as const satisfies readonly (keyof TdMeasurements)[];

/**
 * Fields in which a TD quote is not about the TD of a TDREPORT, by name; empty when it is. RTMRs are compared as well, and
 * for a body of TDX 1.5 the module that runs now and the service TDs (tdx.md 1.3).
 */
export function tdDifferences(report: TdReport, quote: TdQuote): string[] {
  const different: string[] = FIELDS.filter((name) => !equalBytes(report[name], quote[name]));
  for (let at = 0; at < 4; at++) {
    const [one, other] = [report.rtmrs[at], quote.rtmrs[at]];
    if (one === undefined || other === undefined || !equalBytes(one, other)) different.push(`rtmr${at}`);
  }
  const { teeTcbSvn2, mrservicetd } = quote;
  if (teeTcbSvn2 !== undefined && !equalBytes(report.teeTcbSvn2, teeTcbSvn2)) different.push('teeTcbSvn2');
  if (mrservicetd !== undefined && !equalBytes(report.servtdHash, mrservicetd)) different.push('mrservicetd');
  return different;
}
