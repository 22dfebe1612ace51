import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { DocumentHead, TcbInfo } from '../../abi/tcb-info.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { equalBytes } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { CheckList } from '../check-codes.js';
import type { OpenedCollateral } from './collateral.js';
import { checkPart, type Part } from './part.js';
import type { TdxPolicy } from './policy.js';
import { ACCEPTED_BY_DEFAULT, shortfallText, type TdxTcb } from './tcb.js';
import { evaluateTcb, relaunchStatus, type TcbEvaluation, type TcbStatus } from './tcb-evaluation.js';

/** Row 16: the levels that the platform reaches, and whether the policy accepts their status. */
export function checkTcb(
  list: CheckList,
  { teeTcbSvn, teeTcbSvn2, qeReport }: TdQuote,
  inputs: Part<readonly [readonly [PckExtension, TcbInfo], QeIdentity]>,
  collateral: OpenedCollateral,
  policy: TdxPolicy,
): TdxTcb | undefined {
  if (inputs.fault !== undefined) {
    for (const name of ['TCB level', 'TCB status']) checkPart(list, 'tcb', name, inputs);
    return undefined;
  }
  const [[pck, tcbInfo], identity] = inputs.value;
  const numberOf = ({ head }: { head: Part<DocumentHead> }): number => head.value?.tcbEvaluationDataNumber ?? 0;
  const evaluate = (teeTcbSvn: Uint8Array): TcbEvaluation =>
    evaluateTcb({ pck, teeTcbSvn, qeIsvsvn: qeReport.isvsvn }, tcbInfo, identity);
  const launch = evaluate(teeTcbSvn);
  const current = teeTcbSvn2 && (equalBytes(teeTcbSvn, teeTcbSvn2) ? launch : evaluate(teeTcbSvn2));
  const status = current === undefined ? launch.status : relaunchStatus(launch.status, current.status);
  checkLevel(list, 'TCB level', launch, policy);
  if (current !== undefined) checkLevel(list, 'current TCB level', current, policy);
  checkStatus(list, 'TCB status', status, policy);
  if (policy.requireCurrentTcb === true) checkStatus(list, 'current TCB status', current?.status, policy);
  return {
    status,
    platform: launch.platform,
    ...(launch.module && { tdxModule: launch.module }),
    qe: launch.qe,
    ...(current && { current: current.status }),
    // A copy: the document is remembered for the next verification.
    ...(launch.tcbDate && { tcbDate: new Date(launch.tcbDate) }),
    advisoryIds: launch.advisoryIds,
    evaluationDataNumber: Math.min(numberOf(collateral.tcbInfo), numberOf(collateral.qeIdentity)),
    collateralExpires: new Date(collateral.expires),
    fmspc: hex(pck.fmspc),
    pceId: Number.parseInt(hex(pck.pceId), 16),
    sgxTcb: [...pck.sgxComponents],
    pcesvn: pck.pcesvn,
    ...(status === 'NotSupported' && { shortfall: [launch, current].find(isShort)?.shortfall ?? [] }),
  };
}

const isShort = (evaluation: TcbEvaluation | undefined): boolean => (evaluation?.shortfall.length ?? 0) > 0;

function checkLevel(list: CheckList, name: string, evaluation: TcbEvaluation, policy: TdxPolicy): void {
  const short = isShort(evaluation);
  const allowed = policy.allowUnsupportedTcb === true;
  const actual = short ? `none is reached: ${shortfallText(evaluation.shortfall)}` : 'reached';
  list.add('tcb', name, 'ERR_TCB_NOT_SUPPORTED', !short || allowed, { actual });
}

function checkStatus(list: CheckList, name: string, status: TcbStatus | undefined, policy: TdxPolicy): void {
  const accepted: readonly string[] = policy.acceptedTcbStatuses ?? ACCEPTED_BY_DEFAULT;
  const unsupported = status === 'NotSupported';
  if (unsupported && policy.allowUnsupportedTcb !== true) {
    list.notChecked('tcb', name, 'no level is reached');
    return;
  }
  // What Intel has revoked is not for a policy to accept.
  list.add('tcb', name, 'ERR_TCB_STATUS', unsupported || (status !== 'Revoked' && accepted.includes(String(status))), {
    expected: accepted,
    actual: status ?? 'not in a quote of TDX 1.0',
  });
}
