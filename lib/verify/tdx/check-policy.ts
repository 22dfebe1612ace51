import type { PckExtension } from '../../abi/pck-extension.js';
import type { TdQuote } from '../../abi/td-quote.js';
import { isZero } from '../../base/bytes.js';
import { bytesFromHex, hex } from '../../base/hex.js';
import type { CheckList } from '../check-codes.js';
import { checkHex } from '../hex-values.js';
import type { MaskedField, TdxPolicy } from './policy.js';
import type { TdxTcb } from './tcb.js';

/** The members of a whole policy that count for a TD. */
export interface TdPolicyInput {
  readonly allowDebug?: boolean | undefined;
  readonly allowMigration?: boolean | undefined;
  readonly tdx?: TdxPolicy | undefined;
}

/** TUD: under debug, the host can look into the TD. Bit 0 is DEBUG; the others are for profiling. */
const UNTRUSTED = 0xffn;
const MIGRATABLE = 1n << 29n;
/** Bits with a meaning: LASS 27, SEPT_VE_DISABLE 28, MIGRATABLE 29, PKS 30, KL 31, TPA 62, PERFMON 63, ICSSD 16. */
const OTHER_KNOWN = (1n << 16n) | (1n << 27n) | (1n << 28n) | (1n << 30n) | (1n << 31n) | (1n << 62n) | (1n << 63n);
const KNOWN = UNTRUSTED | MIGRATABLE | OTHER_KNOWN;
const HEX_FIELDS = ['mrtd', 'mrseam', 'mrconfigid', 'mrowner', 'mrownerconfig'] as const;

/** Row 17: what the policy demands of the TD; its defaults are checked whether or not there is a policy. */
export function checkTdPolicy(
  list: CheckList,
  { allowDebug, allowMigration, tdx = {} }: TdPolicyInput,
  quote: TdQuote,
  { extension, tcb }: { extension?: PckExtension | undefined; tcb?: TdxTcb | undefined },
): void {
  const refuse = (name: string, ok: boolean, expected: unknown, actual: unknown): boolean =>
    list.add('policy', name, 'ERR_POLICY', ok, { expected, actual });
  const attributes = littleEndian(quote.tdAttributes);
  const inspectable = (attributes & UNTRUSTED) !== 0n;
  refuse(
    'debugging',
    allowDebug === true || !inspectable,
    allowedText(allowDebug),
    inspectable ? 'possible' : 'not possible',
  );
  const movable = (attributes & MIGRATABLE) !== 0n || !isZero(quote.mrservicetd ?? new Uint8Array());
  const migration = movable ? 'migratable, or bound to a service TD' : 'neither migratable nor bound to a service TD';
  const mayMove = allowMigration === true || tdx.allowMigration === true;
  refuse('migration', mayMove || !movable, allowedText(mayMove), migration);
  // A relying party that gives the value of a reserved bit knows what it means.
  const unknown = attributes & ~KNOWN & ~littleEndian(hexBytes(tdx.tdAttributes?.mask));
  refuse('reserved TD attributes', unknown === 0n, 'zero', quote.tdAttributes);
  checkMasked(list, 'tdAttributes', tdx.tdAttributes, quote.tdAttributes);
  checkMasked(list, 'xfam', tdx.xfam, quote.xfam);
  for (const field of HEX_FIELDS) {
    const expected = tdx[field];
    if (expected !== undefined) checkHex(list, 'policy', field, expected, quote[field]);
  }
  for (const [index, expected] of Object.entries(tdx.rtmrs ?? {})) {
    if (!expected) continue;
    checkHex(list, 'policy', `rtmrs.${index}`, expected, quote.rtmrs[Number(index)] ?? new Uint8Array());
  }
  if (tdx.minimumTeeTcbSvn !== undefined) {
    const ok = isAtLeast(quote.teeTcbSvn, tdx.minimumTeeTcbSvn);
    refuse('minimumTeeTcbSvn', ok, `at least ${tdx.minimumTeeTcbSvn.join(' ')}`, [...quote.teeTcbSvn].join(' '));
  }
  checkPlatform(list, tdx, extension);
  checkAdvisories(list, tdx, tcb);
}

function checkPlatform(list: CheckList, tdx: TdxPolicy, extension: PckExtension | undefined): void {
  const { minimumSgxTcb, minimumPcesvn } = tdx;
  if (minimumSgxTcb !== undefined) {
    const components = extension?.sgxComponents;
    const ok = components !== undefined && minimumSgxTcb.every((least, index) => (components[index] ?? 0) >= least);
    list.add('policy', 'minimumSgxTcb', 'ERR_POLICY', ok, {
      expected: `at least ${minimumSgxTcb.join(' ')}`,
      actual: components?.join(' ') ?? 'unknown',
    });
  }
  if (minimumPcesvn !== undefined) {
    const pcesvn = extension?.pcesvn;
    list.add('policy', 'minimumPcesvn', 'ERR_POLICY', pcesvn !== undefined && pcesvn >= minimumPcesvn, {
      expected: `at least ${minimumPcesvn}`,
      actual: pcesvn ?? 'unknown',
    });
  }
}

function checkAdvisories(list: CheckList, tdx: TdxPolicy, tcb: TdxTcb | undefined): void {
  const { deniedAdvisories, allowedAdvisories, minimumTcbEvaluationDataNumber: least } = tdx;
  const open = tcb?.advisoryIds;
  const actual = open === undefined ? 'unknown' : open.join(', ') || 'none';
  if (deniedAdvisories !== undefined) {
    const ok = open !== undefined && !open.some((id) => deniedAdvisories.includes(id));
    list.add('policy', 'deniedAdvisories', 'ERR_POLICY', ok, {
      expected: `none of ${deniedAdvisories.join(', ')}`,
      actual,
    });
  }
  if (allowedAdvisories !== undefined) {
    const ok = open?.every((id) => allowedAdvisories.includes(id)) ?? false;
    const expected = `none but ${allowedAdvisories.join(', ') || 'none'}`;
    list.add('policy', 'allowedAdvisories', 'ERR_POLICY', ok, { expected, actual });
  }
  if (least !== undefined) {
    const number = tcb?.evaluationDataNumber;
    list.add('policy', 'minimumTcbEvaluationDataNumber', 'ERR_POLICY', number !== undefined && number >= least, {
      expected: `at least ${least}`,
      actual: number ?? 'unknown',
    });
  }
}

/** The first two components are version and ISVSVN of the module, the version at index 1: an order of pairs. */
export function isAtLeast(svn: Uint8Array, least: readonly number[]): boolean {
  const [isvsvn = 0, version = 0] = svn;
  const [leastIsvsvn = 0, leastVersion = 0] = least;
  if (version < leastVersion || (version === leastVersion && isvsvn < leastIsvsvn)) return false;
  return least.every((value, index) => index < 2 || (svn[index] ?? 0) >= value);
}

function checkMasked(list: CheckList, name: string, expected: MaskedField | undefined, actual: Uint8Array): void {
  if (expected === undefined) return;
  const value = hexBytes(expected.value);
  const mask = hexBytes(expected.mask);
  const ok = mask.every((bits, index) => (((value[index] ?? 0) ^ (actual[index] ?? 0)) & bits) === 0);
  list.add('policy', name, 'ERR_POLICY', ok, {
    expected: `${expected.value} under the mask ${expected.mask}`,
    actual: hex(actual),
  });
}

function hexBytes(text: string | undefined): Uint8Array {
  return bytesFromHex(text ?? '') ?? new Uint8Array();
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

function allowedText(allowed: boolean | undefined): string {
  return allowed === true ? 'allowed' : 'not allowed';
}
