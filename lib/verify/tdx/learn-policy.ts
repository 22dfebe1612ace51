import { isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { VerificationPolicy } from '../policy.js';
import type { VerifiedTdxEvidence } from '../result.js';
import type { TdxPolicy } from './policy.js';
import type { TdxTcb } from './tcb.js';

const ACCEPTED_BY_DEFAULT: readonly string[] = ['UpToDate', 'SWHardeningNeeded'];
const UNTRUSTED = 0xff;
/** MIGRATABLE is bit 29. */
const MIGRATABLE = { byte: 3, bit: 0x20 } as const;

/** What a good TDX machine shows, as demands on others: its paravisor, and its levels as the least ones. */
export function tdxDemands({ tdQuote, tcb, paravisor }: VerifiedTdxEvidence): VerificationPolicy {
  const { tdAttributes, mrservicetd } = tdQuote;
  const isDebug = ((tdAttributes[0] ?? 0) & UNTRUSTED) !== 0;
  const movable = ((tdAttributes[MIGRATABLE.byte] ?? 0) & MIGRATABLE.bit) !== 0;
  const tdx: TdxPolicy = {
    minimumTeeTcbSvn: [...tdQuote.teeTcbSvn],
    xfam: { value: hex(tdQuote.xfam), mask: 'ff'.repeat(8) },
    tdAttributes: { value: hex(tdAttributes), mask: 'ff'.repeat(8) },
    ...(tcb === undefined ? { requireCollateral: false } : tcbDemands(tcb)),
  };
  // An MRTD that a policy names identifies a paravisor: it must have been known for one before.
  if (paravisor !== undefined) tdx.mrtd = hex(tdQuote.mrtd);
  return {
    ...(isDebug ? { allowDebug: true } : {}),
    ...(movable || (mrservicetd !== undefined && !isZero(mrservicetd)) ? { allowMigration: true } : {}),
    tdx,
  };
}

function tcbDemands(tcb: TdxTcb): TdxPolicy {
  const { status, sgxTcb, pcesvn, evaluationDataNumber } = tcb;
  const least = {
    minimumSgxTcb: [...sgxTcb],
    minimumPcesvn: pcesvn,
    minimumTcbEvaluationDataNumber: evaluationDataNumber,
  };
  if (status === 'NotSupported') return { ...least, allowUnsupportedTcb: true };
  // Revoked is accepted by no policy, so that no verified evidence has it.
  if (status === 'Revoked' || ACCEPTED_BY_DEFAULT.includes(status)) return least;
  return { ...least, acceptedTcbStatuses: ['UpToDate', 'SWHardeningNeeded', status] };
}
