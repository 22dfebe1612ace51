import { hex } from '../../base/hex.js';
import type { VerificationPolicy } from '../policy.js';
import type { VerifiedTdxEvidence } from '../result.js';
import { isInspectable, isMovable } from './check-policy.js';
import type { TdxPolicy } from './policy.js';
import { ACCEPTED_BY_DEFAULT, type TdxTcb } from './tcb.js';

/** What a good TDX machine shows, as demands on others: its paravisor, and its levels as the least ones. */
export function tdxDemands({ tdQuote, tcb, paravisor }: VerifiedTdxEvidence): VerificationPolicy {
  const tdx: TdxPolicy = {
    minimumTeeTcbSvn: [...tdQuote.teeTcbSvn],
    xfam: { value: hex(tdQuote.xfam), mask: 'ff'.repeat(8) },
    tdAttributes: { value: hex(tdQuote.tdAttributes), mask: 'ff'.repeat(8) },
    ...(tcb === undefined ? { requireCollateral: false } : tcbDemands(tcb)),
  };
  // An MRTD that a policy names identifies a paravisor: it must have been known for one before.
  if (paravisor !== undefined) tdx.mrtd = hex(tdQuote.mrtd);
  return {
    tdx,
    ...(isInspectable(tdQuote) && { allowDebug: true }),
    ...(isMovable(tdQuote) && { allowMigration: true }),
  };
}

function tcbDemands(tcb: TdxTcb): TdxPolicy {
  const { status, sgxTcb, pcesvn, evaluationDataNumber } = tcb;
  const demands: TdxPolicy = {
    minimumSgxTcb: [...sgxTcb],
    minimumPcesvn: pcesvn,
    minimumTcbEvaluationDataNumber: evaluationDataNumber,
  };
  if (status === 'NotSupported') demands.allowUnsupportedTcb = true;
  // Revoked is accepted by no policy, so that no verified evidence has it.
  else if (status !== 'Revoked' && !ACCEPTED_BY_DEFAULT.includes(status)) {
    demands.acceptedTcbStatuses = [...ACCEPTED_BY_DEFAULT, status];
  }
  return demands;
}
