import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo, TdxModule, TdxModuleIdentity } from '../../abi/tcb-info.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { equalBytes, isZero } from '../../base/bytes.js';
import type { CheckSubject } from '../../base/errors.js';
import { hex } from '../../base/hex.js';
import type { CheckList } from '../check-codes.js';

const SGX_DEBUG = 0x02;

/** What the checks below need of the collateral, and why it is not there. */
export interface Absence {
  /** The relying party asked for none: nothing failed. */
  readonly skipped: boolean;
  readonly why: string;
}

/** Adds a check that nothing could be compared for. */
export function addAbsent(list: CheckList, subject: CheckSubject, name: string, absence: Absence): void {
  if (absence.skipped) list.skipped(subject, name, absence.why);
  else list.notChecked(subject, name, absence.why);
}

/**
 * Row 14: the enclave that made the attestation key is Intel's TD quoting enclave. Any enclave on a genuine machine gets its
 * report signed by the PCK key, so without this row anyone who has such a machine can sign any quote.
 */
export function checkQuotingEnclave(
  list: CheckList,
  { qeReport }: TdQuote,
  identity: QeIdentity | undefined,
  absence: Absence,
): boolean {
  const debug = ((qeReport.attributes[0] ?? 0) & SGX_DEBUG) !== 0;
  const sealed = list.add('quoting-enclave', 'quoting enclave cannot be debugged', 'ERR_QE_IDENTITY', !debug, {
    expected: 'not in debug mode',
    actual: debug ? 'in debug mode' : 'not in debug mode',
  });
  if (identity === undefined) {
    for (const name of ['MRSIGNER', 'ISVPRODID', 'MISCSELECT', 'ATTRIBUTES']) {
      addAbsent(list, 'quoting-enclave', `quoting enclave ${name}`, absence);
    }
    return false;
  }
  const add = (name: string, ok: boolean, expected: unknown, actual: unknown): boolean =>
    list.add('quoting-enclave', `quoting enclave ${name}`, 'ERR_QE_IDENTITY', ok, { expected, actual });
  const { miscselectMask, attributesMask } = identity;
  const miscselect = qeReport.raw.subarray(16, 20);
  const results = [
    add('MRSIGNER', equalBytes(qeReport.mrsigner, identity.mrsigner), identity.mrsigner, qeReport.mrsigner),
    add('ISVPRODID', qeReport.isvprodid === identity.isvprodid, identity.isvprodid, qeReport.isvprodid),
    add(
      'MISCSELECT',
      equalUnder(miscselectMask, miscselect, identity.miscselect),
      () => `${hex(identity.miscselect)} under the mask ${hex(miscselectMask)}`,
      miscselect,
    ),
    add(
      'ATTRIBUTES',
      equalUnder(attributesMask, qeReport.attributes, identity.attributes),
      () => `${hex(identity.attributes)} under the mask ${hex(attributesMask)}`,
      qeReport.attributes,
    ),
  ];
  return sealed && results.every(Boolean);
}

/** Version of the TDX module in an SVN; 0 for modules that have none. */
export function moduleVersion(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[1] ?? 0;
}

/** What the TCB info says of the module of a version. */
export function moduleIdentity({ moduleIdentities }: TcbInfo, teeTcbSvn: Uint8Array): TdxModuleIdentity | undefined {
  return moduleIdentities.find(({ version }) => version === moduleVersion(teeTcbSvn));
}

function moduleId(teeTcbSvn: Uint8Array): string {
  return `TDX_${moduleVersion(teeTcbSvn).toString(16).padStart(2, '0').toUpperCase()}`;
}

/** Row 15: the TDX module is Intel's. Gives whether the TCB may be evaluated. */
export function checkModule(list: CheckList, quote: TdQuote, tcbInfo: TcbInfo | undefined, absence: Absence): boolean {
  const module = tcbInfo === undefined ? undefined : identityOf(list, quote, tcbInfo);
  if (tcbInfo === undefined) addAbsent(list, 'tcb', 'TDX module identity', absence);
  const { mrsignerseam, seamAttributes } = quote;
  // Intel's modules are signed by a key whose hash is written as zeros; attributes other than zero are of test modules.
  const expected = module?.mrsigner ?? new Uint8Array(48);
  const signer = list.add(
    'tcb',
    'TDX module signer',
    'ERR_TDX_MODULE',
    isZero(mrsignerseam) && equalBytes(mrsignerseam, expected),
    { expected, actual: mrsignerseam },
  );
  const allowed = module === undefined || equalUnder(module.attributesMask, seamAttributes, module.attributes);
  const attributes = list.add('tcb', 'TDX module attributes', 'ERR_TDX_MODULE', isZero(seamAttributes) && allowed, {
    expected: module?.attributes ?? new Uint8Array(8),
    actual: seamAttributes,
  });
  return signer && attributes && module !== undefined;
}

function identityOf(list: CheckList, { teeTcbSvn, teeTcbSvn2 }: TdQuote, tcbInfo: TcbInfo): TdxModule | undefined {
  const wanted = [teeTcbSvn, teeTcbSvn2].filter((svn) => svn !== undefined && moduleVersion(svn) > 0) as Uint8Array[];
  const missing = wanted.filter((svn) => moduleIdentity(tcbInfo, svn) === undefined);
  const found = list.add('tcb', 'TDX module identity', 'ERR_TDX_MODULE', missing.length === 0, {
    expected: () => wanted.map(moduleId).join(' and ') || 'none, for a module without a version',
    actual: () => (missing.length === 0 ? 'present' : `${missing.map(moduleId).join(' and ')} is not in the TCB info`),
  });
  if (!found) return undefined;
  return moduleVersion(teeTcbSvn) === 0 ? tcbInfo.module : moduleIdentity(tcbInfo, teeTcbSvn);
}

function equalUnder(mask: Uint8Array, one: Uint8Array, other: Uint8Array): boolean {
  for (let at = 0; at < mask.length; at++) {
    if ((((one[at] ?? 0) ^ (other[at] ?? 0)) & (mask[at] as number)) !== 0) return false;
  }
  return true;
}
