import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { IsvLevel, ModuleStatus, PlatformStatus, TcbInfo, TcbLevel } from '../../abi/tcb-info.js';
import { moduleIdentity, moduleVersion } from './check-identity.js';

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
  readonly advisoryIds: readonly string[];
  /** What keeps the platform below the lowest level; empty when a level is reached. */
  readonly shortfall: readonly TcbShortfall[];
}

/** Of a module with a version, the module's own identity judges the first two components. */
const VERSIONED_COMPONENTS = 2;

/**
 * Evaluates a TCB by Intel's rules (EvaluateTcb of the quote verification library): the first level that is reached in all
 * components at once decides for the platform, the module's and the enclave's own levels for these, and the worst of the
 * three for the whole, without losing that a configuration is needed.
 */
export function evaluateTcb(tcb: PlatformTcb, tcbInfo: TcbInfo, identity: QeIdentity): TcbEvaluation {
  const { teeTcbSvn, qeIsvsvn } = tcb;
  const platform = tcbInfo.levels.find((level) => shortfallOf(tcb, level).length === 0);
  const versioned = moduleVersion(teeTcbSvn) > 0;
  const moduleLevels = moduleIdentity(tcbInfo, teeTcbSvn)?.levels ?? [];
  const module = versioned ? moduleLevels.find(({ isvsvn }) => (teeTcbSvn[0] ?? 0) >= isvsvn) : undefined;
  const qe = identity.levels.find(({ isvsvn }) => qeIsvsvn >= isvsvn);
  const shortfall: TcbShortfall[] = [];
  const lowest = tcbInfo.levels.at(-1);
  if (platform === undefined && lowest !== undefined) shortfall.push(...shortfallOf(tcb, lowest));
  if (versioned && module === undefined) shortfall.push(below('TDX module', teeTcbSvn[0] ?? 0, moduleLevels));
  if (qe === undefined) shortfall.push(below('quoting enclave', qeIsvsvn, identity.levels));
  let earliest: Date | undefined;
  const advisoryIds = new Set<string>();
  for (const level of [platform, module, qe]) {
    if (level === undefined) continue;
    if (earliest === undefined || level.tcbDate.getTime() < earliest.getTime()) earliest = level.tcbDate;
    for (const id of level.advisoryIds) advisoryIds.add(id);
  }
  const moduleStatus = versioned ? (module?.status ?? 'NotSupported') : undefined;
  return {
    status: converge(platform?.status, moduleStatus, qe?.status),
    platform: platform?.status ?? 'NotSupported',
    module: moduleStatus,
    qe: qe?.status ?? 'NotSupported',
    tcbDate: earliest,
    advisoryIds: [...advisoryIds].sort(),
    shortfall,
  };
}

/** Components of a platform that are below those of a level. */
function shortfallOf({ pck, teeTcbSvn }: PlatformTcb, level: TcbLevel): TcbShortfall[] {
  const found: TcbShortfall[] = [];
  const compare = (name: string, components: TcbLevel['sgx'], actual: ArrayLike<number>, from: number): void => {
    for (let index = from; index < components.length; index++) {
      const component = components[index];
      const value = actual[index] ?? 0;
      if (component === undefined || value >= component.svn) continue;
      const { svn: required, ...names } = component;
      found.push({ component: `${name}[${index}]`, ...names, actual: value, required });
    }
  };
  compare('sgx', level.sgx, pck.sgxComponents, 0);
  if (pck.pcesvn < level.pcesvn) found.push({ component: 'pcesvn', actual: pck.pcesvn, required: level.pcesvn });
  compare('tdx', level.tdx, teeTcbSvn, moduleVersion(teeTcbSvn) > 0 ? VERSIONED_COMPONENTS : 0);
  return found;
}

function below(component: string, actual: number, levels: readonly IsvLevel[]): TcbShortfall {
  return { component, actual, required: levels.at(-1)?.isvsvn ?? 0 };
}

/** The worst of three: an old module or enclave makes a platform out of date, and what is revoked stays so. */
function converge(
  platform: PlatformStatus | undefined,
  module: ModuleStatus | 'NotSupported' | undefined,
  qe: ModuleStatus | undefined,
): PlatformStatus | 'NotSupported' {
  if (platform === 'Revoked' || module === 'Revoked' || qe === 'Revoked') return 'Revoked';
  if (platform === undefined || qe === undefined || module === 'NotSupported') return 'NotSupported';
  if (module !== 'OutOfDate' && qe !== 'OutOfDate') return platform;
  if (platform === 'UpToDate' || platform === 'SWHardeningNeeded') return 'OutOfDate';
  if (platform === 'ConfigurationNeeded' || platform === 'ConfigurationAndSWHardeningNeeded') {
    return 'OutOfDateConfigurationNeeded';
  }
  return platform;
}

/**
 * The status of a TD of TDX 1.5 by the TCB that it was launched under and the one that is there now. A TD that was launched
 * under an old module keeps what that module gave it: only a relaunch helps.
 */
export function relaunchStatus(launch: TcbEvaluation['status'], current: TcbEvaluation['status']): TcbStatus {
  if (launch === 'Revoked' || current === 'Revoked') return 'Revoked';
  if (launch === 'NotSupported' || current === 'NotSupported') return 'NotSupported';
  const launchOld = launch === 'OutOfDate' || launch === 'OutOfDateConfigurationNeeded';
  const currentGood = current !== 'OutOfDate' && current !== 'OutOfDateConfigurationNeeded';
  if (!launchOld || !currentGood) return launch;
  return launch.includes('Configuration') || current.includes('Configuration')
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised';
}
