import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { ModuleStatus, PlatformStatus, TcbComponent, TcbInfo, TcbLevel } from '../../abi/tcb-info.js';
import { moduleOf, moduleVersion } from './check-identity.js';

/** Status of a platform's TCB, as Intel's library says it. */
export type TcbStatus = PlatformStatus | 'TDRelaunchAdvised' | 'TDRelaunchAdvisedConfigurationNeeded' | 'NotSupported';

/** One component that is below what is required of it. */
export interface TcbShortfall {
  /** `sgx[0]` to `sgx[15]`, `pcesvn`, `tdx[0]` to `tdx[15]`, `TDX module` or `quoting enclave`. */
  component: string;
  /** As the TCB info names it, for instance `OS/VMM` and `SEAMLDR ACM`. */
  category?: string;
  type?: string;
  actual: number;
  required: number;
}

/** What is compared with Intel's levels. */
export interface PlatformTcb {
  readonly pck: Pick<PckExtension, 'sgxComponents' | 'pcesvn'>;
  /** 16 bytes: TEE_TCB_SVN or TEE_TCB_SVN2. */
  readonly teeTcbSvn: Uint8Array;
  /** ISVSVN of the quoting enclave. */
  readonly qeIsvsvn: number;
}

/** The levels that are reached, and what follows from all of them. */
export interface TcbEvaluation {
  readonly status: PlatformStatus | 'NotSupported';
  readonly platform: PlatformStatus | 'NotSupported';
  /** Absent for a module without a version. */
  readonly module: ModuleStatus | 'NotSupported' | undefined;
  readonly qe: ModuleStatus | 'NotSupported';
  /** Of the levels that are reached, the earliest. */
  readonly tcbDate: Date | undefined;
  readonly advisoryIds: string[];
  /** What keeps the platform below the lowest level; empty when a level is reached. */
  readonly shortfall: TcbShortfall[];
}

/** Places in a platform's levels: before it those of SGX, and behind it those of TDX. */
const PCESVN = 16;
const TDX = 17;

function componentName(index: number): string {
  if (index === PCESVN) return 'pcesvn';
  return index < PCESVN ? `sgx[${index}]` : `tdx[${index - TDX}]`;
}

/** Of a module with a version, the module's own identity judges the first two components. */
const ANY = Number.POSITIVE_INFINITY;

type Svns = (index: number) => number;

/**
 * Evaluates a TCB by Intel's rules (EvaluateTcb of the quote verification library): the first level that is reached in all
 * components at once decides for the platform, the module's and the enclave's own levels for these, and the worst of the
 * three for the whole, without losing that a configuration is needed.
 */
export function evaluateTcb(
  { pck, teeTcbSvn, qeIsvsvn }: PlatformTcb,
  tcbInfo: TcbInfo,
  identity: QeIdentity,
): TcbEvaluation {
  const shortfall: TcbShortfall[] = [];
  const advisoryIds = new Set<string>();
  let tcbDate: Date | undefined;
  // The status of the highest level that is reached; without one, what keeps from the lowest is noted.
  const reach = <Status>(levels: readonly TcbLevel<Status>[], svnOf: Svns, nameOf: (index: number) => string) => {
    const lacks = ({ svn }: TcbComponent, index: number): boolean => svnOf(index) < svn;
    const level = levels.find(({ tcb }) => !tcb.some(lacks));
    if (level === undefined) {
      levels.at(-1)?.tcb.forEach((component, index) => {
        if (!lacks(component, index)) return;
        const { svn: required, category, type } = component;
        const which: TcbShortfall = { component: nameOf(index), actual: svnOf(index), required };
        if (category !== undefined) which.category = category;
        if (type !== undefined) which.type = type;
        shortfall.push(which);
      });
      return 'NotSupported';
    }
    if (tcbDate === undefined || level.tcbDate.getTime() < tcbDate.getTime()) tcbDate = level.tcbDate;
    for (const id of level.advisoryIDs ?? []) advisoryIds.add(id);
    return level.tcbStatus;
  };
  const isVersioned = moduleVersion(teeTcbSvn) > 0;
  const tdx = (index: number): number => (isVersioned && index < 2 ? ANY : (teeTcbSvn[index] ?? 0));
  const svnOf = (index: number): number =>
    index < PCESVN ? (pck.sgxComponents[index] ?? 0) : index === PCESVN ? pck.pcesvn : tdx(index - TDX);
  const platform = reach(tcbInfo.tcbLevels, svnOf, componentName);
  const moduleLevels = moduleOf(tcbInfo, teeTcbSvn)?.tcbLevels ?? [];
  const module = isVersioned
    ? reach(
        moduleLevels,
        () => teeTcbSvn[0] ?? 0,
        () => 'TDX module',
      )
    : undefined;
  const qe = reach(
    identity.tcbLevels,
    () => qeIsvsvn,
    () => 'quoting enclave',
  );
  return {
    status: converge(platform, module, qe),
    platform,
    module,
    qe,
    tcbDate,
    advisoryIds: [...advisoryIds].sort(),
    shortfall,
  };
}

/** The worst of three: an old module or enclave makes a platform out of date, and what is revoked stays so. */
function converge(
  platform: TcbEvaluation['platform'],
  module: TcbEvaluation['module'],
  qe: TcbEvaluation['qe'],
): TcbEvaluation['status'] {
  const all = [platform, module, qe];
  if (all.includes('Revoked')) return 'Revoked';
  if (all.includes('NotSupported')) return 'NotSupported';
  if (module !== 'OutOfDate' && qe !== 'OutOfDate') return platform;
  return platform.includes('Configuration') ? 'OutOfDateConfigurationNeeded' : 'OutOfDate';
}

/**
 * The status of a TD of TDX 1.5 by the TCB that it was launched under and the one that is there now. A TD that was launched
 * under an old module keeps what that module gave it: only a relaunch helps.
 */
export function relaunchStatus(launch: TcbEvaluation['status'], current: TcbEvaluation['status']): TcbStatus {
  const both = [launch, current];
  if (both.includes('Revoked')) return 'Revoked';
  if (both.includes('NotSupported')) return 'NotSupported';
  if (!launch.startsWith('OutOfDate') || current.startsWith('OutOfDate')) return launch;
  return both.some((status) => status.includes('Configuration'))
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised';
}
