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
  const different: string[] = [];
  const compare = (name: string, one: Uint8Array, other: Uint8Array | undefined): void => {
    if (other === undefined || !equalBytes(one, other)) different.push(name);
  };
  for (const name of FIELDS) compare(name, report[name], quote[name]);
  report.rtmrs.forEach((rtmr, at) => {
    compare(`rtmr${at}`, rtmr, quote.rtmrs[at]);
  });
  const { teeTcbSvn2 = report.teeTcbSvn2, mrservicetd = report.servtdHash } = quote;
  compare('teeTcbSvn2', report.teeTcbSvn2, teeTcbSvn2);
  compare('mrservicetd', report.servtdHash, mrservicetd);
  return different;
}
