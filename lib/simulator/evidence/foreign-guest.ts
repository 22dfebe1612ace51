import type { Parts } from '../parts.js';
import type { TdReportFields } from '../tdx/td-report.js';
import { bindingReportData, buildHclReport } from './hcl-report.js';
import { placeholderDigest } from './platform.js';
import { buildSnpReport, type SnpReportFields, signSnpReport } from './snp-report.js';

/** What a guest without a paravisor made of its hardware's report. */
export interface ForeignReport {
  /** Laid out as Azure's paravisor does. */
  hclReport: Buffer;
  /** Of a TD. */
  tdQuote?: Buffer;
}

/**
 * Genuine hardware is not yet Azure: a guest elsewhere writes REPORT_DATA itself at VMPL 0 and has runtime data of its own
 * making signed. Everything in the result verifies but for what was measured at launch.
 */
export function foreignReport(
  { leaf, tdx, authorities }: Parts,
  runtimeData: Uint8Array,
  fields: SnpReportFields & TdReportFields,
): ForeignReport {
  const reportData = bindingReportData(runtimeData);
  if (tdx) {
    const report = tdx.report(reportData, { mrTd: placeholderDigest('MRTD elsewhere', 48), ...fields });
    const hclReport = buildHclReport({ reportType: 'tdx', hardwareReport: report, variableData: runtimeData });
    return { hclReport, tdQuote: tdx.quote(report) };
  }
  const unsigned = buildSnpReport(authorities.amd.product, {
    chipId: leaf.hardwareId ?? new Uint8Array(64),
    measurement: placeholderDigest('launch measurement elsewhere', 48),
    idKeyDigest: new Uint8Array(48),
    ...fields,
    reportData,
  });
  const report = signSnpReport(unsigned, leaf.privateKey);
  return { hclReport: buildHclReport({ reportType: 'snp', hardwareReport: report, variableData: runtimeData }) };
}
