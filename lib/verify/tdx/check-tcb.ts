import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo } from '../../abi/tcb-info.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { hex } from '../../base/hex.js';
import type { CheckList } from '../check-codes.js';
import { type Absence, addAbsent } from './check-identity.js';
import type { OpenedCollateral } from './collateral.js';
import type { TdxPolicy } from './policy.js';
import { shortfallText, type TdxTcb } from './tcb.js';
import { evaluateTcb, relaunchStatus, type TcbEvaluation, type TcbStatus } from './tcb-evaluation.js';

const DEFAULT_STATUSES: readonly TcbStatus[] = ['UpToDate', 'SWHardeningNeeded'];

/** What a TCB is evaluated by: all of it proven. */
export interface TcbInputs {
  readonly quote: TdQuote;
  readonly extension: PckExtension;
  readonly tcbInfo: TcbInfo;
  readonly identity: QeIdentity;
  readonly collateral: OpenedCollateral;
}

/** Row 16: the levels that the platform reaches, and whether the policy accepts their status. */
export function checkTcb(list: CheckList, inputs: TcbInputs | Absence, policy: TdxPolicy): TdxTcb | undefined {
  if ('why' in inputs) {
    for (const name of ['TCB level', 'TCB status']) addAbsent(list, 'tcb', name, inputs);
    return undefined;
  }
  const { quote, extension, tcbInfo, identity, collateral } = inputs;
  const evaluate = (teeTcbSvn: Uint8Array): TcbEvaluation =>
    evaluateTcb({ pck: extension, teeTcbSvn, qeIsvsvn: quote.qeReport.isvsvn }, tcbInfo, identity);
  const launch = evaluate(quote.teeTcbSvn);
  const current = quote.teeTcbSvn2 === undefined ? undefined : evaluate(quote.teeTcbSvn2);
  const status = current === undefined ? launch.status : relaunchStatus(launch.status, current.status);
  const shortfall = launch.shortfall.length > 0 ? launch.shortfall : (current?.shortfall ?? []);
  checkLevel(list, 'TCB level', launch, policy);
  if (current !== undefined) checkLevel(list, 'current TCB level', current, policy);
  checkStatus(list, 'TCB status', status, policy);
  if (policy.requireCurrentTcb === true) checkStatus(list, 'current TCB status', current?.status, policy);
  return {
    status,
    platform: launch.platform,
    ...(launch.module === undefined ? {} : { tdxModule: launch.module }),
    qe: launch.qe,
    ...(current === undefined ? {} : { current: current.status }),
    // A copy: the document is remembered for the next verification.
    ...(launch.tcbDate === undefined ? {} : { tcbDate: new Date(launch.tcbDate) }),
    advisoryIds: [...launch.advisoryIds],
    evaluationDataNumber: Math.min(tcbInfo.tcbEvaluationDataNumber, identity.tcbEvaluationDataNumber),
    collateralExpires: new Date(collateral.expires),
    fmspc: hex(extension.fmspc),
    pceId: Number.parseInt(hex(extension.pceId), 16),
    sgxTcb: [...extension.sgxComponents],
    pcesvn: extension.pcesvn,
    ...(status === 'NotSupported' ? { shortfall: [...shortfall] } : {}),
  };
}

function checkLevel(list: CheckList, name: string, { shortfall }: TcbEvaluation, policy: TdxPolicy): void {
  const allowed = policy.allowUnsupportedTcb === true;
  const text = shortfallText(shortfall);
  list.add('tcb', name, 'ERR_TCB_NOT_SUPPORTED', shortfall.length === 0 || allowed, {
    expected: "one of Intel's levels",
    actual:
      shortfall.length === 0 ? 'reached' : `none is reached: ${text}${allowed ? ', which the policy allows' : ''}`,
  });
}

function checkStatus(list: CheckList, name: string, status: TcbStatus | undefined, policy: TdxPolicy): void {
  const accepted: readonly TcbStatus[] = policy.acceptedTcbStatuses ?? DEFAULT_STATUSES;
  const unsupported = status === 'NotSupported' && policy.allowUnsupportedTcb === true;
  if (status === 'NotSupported' && !unsupported) {
    list.notChecked('tcb', name, 'no level is reached');
    return;
  }
  // What Intel has revoked is not for a policy to accept.
  const ok = unsupported || (status !== undefined && status !== 'Revoked' && accepted.includes(status));
  list.add('tcb', name, 'ERR_TCB_STATUS', ok, {
    expected: accepted.join(' or '),
    actual: status ?? 'not in a quote of TDX 1.0',
  });
}
