import type { CheckList } from './check-codes.js';
import type { VerificationPolicy } from './policy.js';

/** What a hardware report says of the firmware that it is of. */
export interface ParavisorIdentity {
  /** What would identify a paravisor, in words. */
  expected: string;
  actual: string;
  /** Absent: it is not known to be one. */
  identifiedBy?: 'measurement' | 'id-key' | 'mrtd';
}

/**
 * Whether a paravisor wrote the runtime data into the hardware report. On genuine hardware elsewhere, and in Azure's
 * confidential containers, the guest writes it itself, so that all claims, keys and PCRs are the guest's own invention.
 */
export function checkParavisor(
  list: CheckList,
  policy: VerificationPolicy,
  identity: ParavisorIdentity | undefined,
): boolean {
  const name = 'paravisor';
  if (identity === undefined) {
    list.notChecked('report', name, 'no hardware report');
    return false;
  }
  const { expected, actual, identifiedBy } = identity;
  if (identifiedBy === undefined && policy.allowUnidentifiedParavisor === true) {
    list.skipped('report', name, `not identified, which is allowed: ${actual}`);
    return true;
  }
  return list.add('report', name, 'ERR_PARAVISOR', identifiedBy !== undefined, { expected, actual });
}
