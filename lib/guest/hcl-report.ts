import type { HclReport } from '../abi/hcl-report.js';
import { parseHclReport } from '../abi/hcl-report.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** Reads in a row before a report counts as broken: another reader can rotate it between two chunks. */
const MAX_READS = 3;
/** Offset of var_data_size in the report (layouts.md 1). */
const VARIABLE_DATA_SIZE_OFFSET = 1232;

export interface CollectedHclReport {
  /** As read from NV, padding included. */
  bytes: Buffer;
  report: HclReport;
}

/**
 * The HCL report as the platform makes it at this moment. A report of a confidential VM is returned only when its
 * hardware report binds its runtime data.
 *
 * @returns undefined when the index is not defined: no confidential VM
 * @throws AttestationError 13 when the index cannot be read, 20, 21 or 9 when its contents are not report
 */
export async function collectHclReport(tpm: GuestTpm, signal?: AbortSignal): Promise<CollectedHclReport | undefined> {
  const options = { ...(signal && { signal }) };
  const what = 'the HCL report cannot be read';
  for (let read = 1; ; read++) {
    const bytes = await tpmCall(what, tpm.nvReadIfDefined(AzureTpm.HCL_REPORT, options), { signal });
    // Only an index that is not there says "trusted launch"; any other failure must not pass for it.
    if (bytes === undefined) return undefined;
    try {
      return { bytes, report: parse(bytes) };
    } catch (error) {
      if (read === MAX_READS) throw error;
    }
  }
}

function parse(bytes: Buffer): HclReport {
  if (bytes.length >= VARIABLE_DATA_SIZE_OFFSET + 4 && bytes.readUInt32LE() !== 0) {
    if (bytes.readUInt32LE(VARIABLE_DATA_SIZE_OFFSET) === 0) {
      throw new AttestationError(
        ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED,
        'the HCL report has no runtime data',
      );
    }
  }
  const report = parseHclReport(bytes);
  if (report.reportData !== undefined && !report.bound) {
    throw new AttestationError(
      ErrorCode.HCL_REPORT_PARSING_FAILURE,
      'the hardware report does not bind the runtime data of the HCL report',
    );
  }
  return report;
}
