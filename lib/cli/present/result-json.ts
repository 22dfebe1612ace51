import type { HclReport } from '../../abi/hcl-report.js';
import type { ShownResult } from './shown.js';

/** A verification as `--json` prints it; docs/cli.md documents the members. */
export function resultJson(result: ShownResult, caution: string | undefined): Record<string, unknown> {
  const {
    ok,
    checks,
    warnings,
    product,
    report,
    hclReport,
    claims,
    certificates,
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
    product,
    hclReport: hclReport === undefined ? undefined : hclJson(hclReport),
    report,
    claims,
    certificates,
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
