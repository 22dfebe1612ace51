import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo, TdxModule, TdxModuleIdentity } from '../../abi/tcb-info.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { CheckCode, CheckList, Judgement } from '../check-codes.js';
import { checkPart, type Part } from './part.js';

const SGX_DEBUG = 0x02;

/**
 * Row 14: the enclave that made the attestation key is Intel's TD quoting enclave. Any enclave on a genuine machine gets its
 * report signed by the PCK key, so without this row anyone who has such a machine can sign any quote.
 */
export function checkQuotingEnclave(list: CheckList, { qeReport }: TdQuote, identity: Part<QeIdentity>): void {
  const { attributes, mrsigner, isvprodid, raw } = qeReport;
  const code = 'ERR_QE_IDENTITY';
  const isDebug = ((attributes[0] ?? 0) & SGX_DEBUG) !== 0;
  list.add('quoting-enclave', 'quoting enclave cannot be debugged', code, !isDebug, { actual: !isDebug });
  const add = (field: string, judge: (identity: QeIdentity) => Judgement): unknown =>
    checkPart(list, 'quoting-enclave', `quoting enclave ${field}`, identity, judge);
  add('MRSIGNER', (identity) => underMask(code, mrsigner, identity.mrsigner));
  add('ISVPRODID', ({ isvprodid: expected }) => ({ code, ok: isvprodid === expected, expected, actual: isvprodid }));
  add('MISCSELECT', ({ miscselect, miscselectMask }) =>
    underMask(code, raw.subarray(16, 20), miscselect, miscselectMask),
  );
  add('ATTRIBUTES', (identity) => underMask(code, attributes, identity.attributes, identity.attributesMask));
}

/** Whether bytes are those expected, in the bits of a mask where there is one. */
export function underMask(code: CheckCode, actual: Uint8Array, expected: Uint8Array, mask?: Uint8Array): Judgement {
  let difference = 0;
  for (let at = 0; at < expected.length; at++) {
    difference |= ((expected[at] ?? 0) ^ (actual[at] ?? 0)) & (mask === undefined ? 0xff : (mask[at] ?? 0));
  }
  const shown = mask === undefined ? expected : () => `${hex(expected)} under the mask ${hex(mask)}`;
  return { code, ok: difference === 0, expected: shown, actual };
}

/** Version of the TDX module in an SVN; 0 for modules that have none. */
export function moduleVersion(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[1] ?? 0;
}

/** What the TCB info says of the module of an SVN; of modules without a version it has no levels. */
export function moduleOf(
  { tdxModule, tdxModuleIdentities = [] }: TcbInfo,
  teeTcbSvn: Uint8Array,
): (TdxModule & Partial<TdxModuleIdentity>) | undefined {
  const version = moduleVersion(teeTcbSvn);
  if (version === 0) return tdxModule;
  return tdxModuleIdentities.find(({ id }) => Number.parseInt(id.slice(4), 16) === version);
}

/** Row 15: the TDX module is Intel's. */
export function checkModule(list: CheckList, quote: TdQuote, tcbInfo: Part<TcbInfo>): void {
  const { teeTcbSvn, teeTcbSvn2 = teeTcbSvn, mrsignerseam, seamAttributes } = quote;
  checkPart(list, 'tcb', 'TDX module identity', tcbInfo, (info) => {
    const unknown = [teeTcbSvn, teeTcbSvn2].find((svn) => moduleOf(info, svn) === undefined);
    const actual = unknown === undefined ? 'known' : `version ${moduleVersion(unknown)} is not in the TCB info`;
    return { code: 'ERR_TDX_MODULE', ok: unknown === undefined, actual };
  });
  const module = tcbInfo.value && moduleOf(tcbInfo.value, teeTcbSvn);
  // Intel's modules are signed by a key whose hash is written as zeros; attributes other than zero are of test modules.
  const add = (
    what: string,
    actual: Uint8Array,
    expected: Uint8Array = new Uint8Array(actual.length),
    mask?: Uint8Array,
  ): void => {
    const found = underMask('ERR_TDX_MODULE', actual, expected, mask);
    list.add('tcb', `TDX module ${what}`, found.code, found.ok && isZero(actual), found);
  };
  add('signer', mrsignerseam, module?.mrsigner);
  add('attributes', seamAttributes, module?.attributes, module?.attributesMask);
}
