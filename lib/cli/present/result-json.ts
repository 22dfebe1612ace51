import type { HclReport } from '../../abi/hcl-report.js';
import type { TdQuote } from '../../abi/td-quote.js';
import type { ShownResult } from './shown.js';

/** A verification as `--json` prints it; docs/cli.md documents the members. */
export function resultJson(result: ShownResult, caution: string | undefined): Record<string, unknown> {
  const {
    ok,
    checks,
    warnings,
    tee,
    engine,
    product,
    report,
    tdQuote,
    tcb,
    hclReport,
    claims,
    certificates,
    tdxCertificates,
    quote,
    pcrs,
    eventLog,
    encryptionKey,
  } = result;
  return {
    ok,
    caution,
    checks,
    warnings,
    tee,
    engine,
    product,
    hclReport: hclReport === undefined ? undefined : hclJson(hclReport),
    report,
    tdQuote: tdQuote === undefined ? undefined : tdQuoteJson(tdQuote),
    tcb,
    claims,
    certificates: certificates ?? tdxCertificates,
    quote,
    pcrs,
    eventLog,
    encryptionKey,
  };
}

/** Everything of an HCL report but the bytes that are shown parsed. */
export function hclJson({
  hardwareReport: _,
  variableData: __,
  claims: ___,
  ...rest
}: HclReport): Record<string, unknown> {
  return rest;
}

/** Everything of a TD quote but the bytes that are only there to be verified. */
function tdQuoteJson({ signed: _, padding: __, pckCertification: ___, qeReport, ...rest }: TdQuote): object {
  const { raw: ____, ...report } = qeReport;
  return { ...rest, qeReport: report };
}
