import type { PckExtension } from '../../abi/pck-extension.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { isZero } from '../../base/bytes.js';
import { bytesFromHex } from '../../base/hex.js';
import { NOTHING } from '../../base/options.js';
import type { CheckList } from '../check-codes.js';
import { checkHex } from '../hex-values.js';
import { underMask } from './check-identity.js';

import type { TdxPolicy } from './policy.js';
import type { TdxTcb } from './tcb.js';

/** The members of a whole policy that count for a TD. */
export interface TdPolicyInput {
  readonly allowDebug?: boolean | undefined;
  readonly allowMigration?: boolean | undefined;
  readonly tdx?: TdxPolicy | undefined;
}

/** TUD: under debug, the host can look into the TD. Bit 0 is DEBUG; the others are for profiling. */
export const isInspectable = ({ tdAttributes }: TdQuote): boolean => tdAttributes[0] !== 0;

/** Bit 29 of ATTRIBUTES, or a service TD that may move it. */
export const isMovable = ({ tdAttributes, mrservicetd }: TdQuote): boolean =>
  ((tdAttributes[3] ?? 0) & 0x20) !== 0 || (mrservicetd !== undefined && !isZero(mrservicetd));

/** Bits with a meaning: TUD, ICSSD 16, LASS 27, SEPT_VE_DISABLE 28, MIGRATABLE 29, PKS 30, KL 31, TPA 62, PERFMON 63. */
const KNOWN = [0xff, 0, 0x01, 0xf8, 0, 0, 0, 0xc0] as const;
const HEX_FIELDS = ['mrtd', 'mrseam', 'mrconfigid', 'mrowner', 'mrownerconfig'] as const;

/** Row 17: what the policy demands of the TD; its defaults are checked whether or not there is a policy. */
export function checkTdPolicy(
  list: CheckList,
  { allowDebug, allowMigration, tdx = NOTHING }: TdPolicyInput,
  quote: TdQuote,
  { extension, tcb }: { extension?: PckExtension | undefined; tcb?: TdxTcb | undefined },
): void {
  const refuse = (name: string, ok: boolean, expected: unknown, actual: unknown): boolean =>
    list.add('policy', name, 'ERR_POLICY', ok, { expected, actual });
  const allowed = (name: string, isAllowed: boolean | undefined, isSo: boolean): boolean =>
    refuse(
      name,
      isAllowed === true || !isSo,
      isAllowed === true ? 'allowed' : 'not allowed',
      isSo ? 'possible' : 'not possible',
    );
  allowed('debugging', allowDebug, isInspectable(quote));
  allowed('migration', allowMigration || tdx.allowMigration, isMovable(quote));
  // A relying party that gives the value of a reserved bit knows what it means.
  const given = hexBytes(tdx.tdAttributes?.mask);
  const isUnknown = quote.tdAttributes.some((byte, at) => (byte & ~(KNOWN[at] ?? 0) & ~(given[at] ?? 0)) !== 0);
  refuse('reserved TD attributes', !isUnknown, 'zero', quote.tdAttributes);
  for (const field of ['tdAttributes', 'xfam'] as const) {
    const { value, mask } = tdx[field] ?? {};
    if (mask === undefined) continue;
    list.judged('policy', field, underMask('ERR_POLICY', quote[field], hexBytes(value), hexBytes(mask)));
  }
  for (const field of HEX_FIELDS) {
    const expected = tdx[field];
    if (expected !== undefined) checkHex(list, 'policy', field, expected, quote[field]);
  }
  for (const [index, expected] of Object.entries(tdx.rtmrs ?? {})) {
    if (!expected) continue;
    checkHex(list, 'policy', `rtmrs.${index}`, expected, quote.rtmrs[Number(index)] ?? new Uint8Array());
  }
  const atLeast = (name: Minimum, actual: ArrayLike<number> | undefined, isEnough = isReached): void => {
    if (tdx[name] === undefined) return;
    const least = [tdx[name]].flat();
    const ok = actual !== undefined && isEnough(actual, least);
    refuse(name, ok, `at least ${least.join(' ')}`, Array.from(actual ?? []).join(' ') || 'unknown');
  };
  atLeast('minimumTeeTcbSvn', quote.teeTcbSvn, isAtLeast);
  atLeast('minimumSgxTcb', extension?.sgxComponents);
  atLeast('minimumPcesvn', extension && [extension.pcesvn]);
  atLeast('minimumTcbEvaluationDataNumber', tcb && [tcb.evaluationDataNumber]);
  // Without collateral the checks of the TCB are skipped, but not what a policy says of it.
  for (const name of ['requireCurrentTcb', 'acceptedTcbStatuses'] as const) {
    if (tcb === undefined && tdx[name]) refuse(name, false, 'a known TCB', 'unknown');
  }
  const { deniedAdvisories: denied, allowedAdvisories: permitted } = tdx;
  const open = tcb?.advisoryIds;
  const actual = open === undefined ? 'unknown' : open.join(', ') || 'none';
  if (denied !== undefined) {
    const isFree = open?.every((id) => !denied.includes(id)) === true;
    refuse('deniedAdvisories', isFree, `none of ${denied.join(', ')}`, actual);
  }
  if (permitted !== undefined) {
    const arePermitted = open?.every((id) => permitted.includes(id)) === true;
    refuse('allowedAdvisories', arePermitted, `none but ${permitted.join(', ') || 'none'}`, actual);
  }
}

type Minimum = 'minimumTeeTcbSvn' | 'minimumSgxTcb' | 'minimumPcesvn' | 'minimumTcbEvaluationDataNumber';
const isReached = (svns: ArrayLike<number>, least: readonly number[]): boolean =>
  least.every((value, index) => (svns[index] ?? 0) >= value);

/** The first two components are ISVSVN and version of the module: an order of pairs, the version before. */
export function isAtLeast(svn: ArrayLike<number>, least: readonly number[]): boolean {
  const pair = ({ 0: isvsvn = 0, 1: version = 0 }: ArrayLike<number>): number => version * 256 + isvsvn;
  return pair(svn) >= pair(least) && isReached(svn, [0, 0, ...least.slice(2)]);
}

function hexBytes(text: string | undefined): Uint8Array {
  return bytesFromHex(text ?? '') ?? new Uint8Array();
}
