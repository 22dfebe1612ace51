import { bytesFromHex } from '../base/hex.js';
import type { TokenChecks } from './errors.js';
import type { NormalizedPolicy } from './policy.js';

type Claims = Readonly<Record<string, unknown>>;

/** TD attributes (Intel TDX module ABI, ATTRIBUTES), 8 bytes with the lowest bits first. */
const DEBUG_BYTE = 0;
/** Bits 7:0 let the host look in; only bit 0 has a name. */
const DEBUG_BITS = 0xff;
/** Bit 29, MIGRATABLE. */
const MIGRATABLE = { byte: 3, bit: 0x20 };

/** What only the claims of a TDX machine have. */
export function checkTdx(checks: TokenChecks, hardware: Claims, policy: NormalizedPolicy): void {
  const { acceptedTcbStatuses, mrtd, mrconfigid, minimumTeeTcbSvn, xfam } = policy.tdx;
  checks.oneOf(undefined, 'TCB status', 'ERR_TOKEN_TCB_STATUS', acceptedTcbStatuses, hardware.attester_tcb_status);
  const attributes = bytesOf(hardware.tdx_td_attributes, 8);
  if (!policy.allowDebug) checkDebug(checks, hardware, attributes);
  if (!policy.allowMigration) {
    const ok = attributes !== undefined && ((attributes[MIGRATABLE.byte] ?? 0) & MIGRATABLE.bit) === 0;
    checks.add(undefined, 'TD attributes forbid migration', 'ERR_TOKEN_MIGRATION', ok, {
      actual: hardware.tdx_td_attributes,
    });
  }
  const hex = (claim: string): unknown => {
    const value = hardware[claim];
    return typeof value === 'string' ? value.toLowerCase() : value;
  };
  if (mrtd !== undefined) checks.oneOf(undefined, 'MRTD', 'ERR_TOKEN_MRTD', mrtd, hex('tdx_mrtd'));
  if (mrconfigid !== undefined) {
    checks.oneOf(undefined, 'MRCONFIGID', 'ERR_TOKEN_MRCONFIGID', mrconfigid, hex('tdx_mrconfigid'));
  }
  if (minimumTeeTcbSvn !== undefined) {
    const svn = bytesOf(hardware.tdx_tee_tcb_svn, 16);
    const ok = svn !== undefined && isAtLeast(svn, minimumTeeTcbSvn);
    const values = { expected: minimumTeeTcbSvn.join(' '), actual: svn?.join(' ') };
    checks.add(undefined, 'TEE TCB SVN is at least', 'ERR_TOKEN_SVN', ok, values);
  }
  if (xfam !== undefined) {
    const bits = bytesOf(hardware.tdx_xfam, 8);
    const ok = bits !== undefined && matches(bits, xfam);
    checks.add(undefined, 'XFAM', 'ERR_TOKEN_XFAM', ok, {
      expected: `${xfam.value} under ${xfam.mask}`,
      actual: hardware.tdx_xfam,
    });
  }
}

/** Three claims say it, and all must. */
function checkDebug(checks: TokenChecks, hardware: Claims, attributes: Uint8Array | undefined): void {
  const off = attributes !== undefined && ((attributes[DEBUG_BYTE] ?? 0) & DEBUG_BITS) === 0;
  checks.add(undefined, 'TD attributes forbid debugging', 'ERR_TOKEN_DEBUG', off, {
    actual: hardware.tdx_td_attributes,
  });
  const named = hardware.tdx_td_attributes_debug;
  checks.equal(undefined, 'tdx_td_attributes_debug', 'ERR_TOKEN_DEBUG', false, named);
  checks.equal(undefined, 'dbgstat', 'ERR_TOKEN_DEBUG', 'disabled', hardware.dbgstat);
}

/** Components 0 and 1 are the TDX module's version, minor and major. */
function isAtLeast(svn: Uint8Array, minimum: readonly number[]): boolean {
  const version = (numbers: ArrayLike<number>): number => (numbers[1] ?? 0) * 256 + (numbers[0] ?? 0);
  return version(svn) >= version(minimum) && minimum.every((least, at) => at < 2 || (svn[at] ?? 0) >= least);
}

function matches(bits: Uint8Array, { value, mask }: { value: string; mask: string }): boolean {
  const wanted = bytesFromHex(value);
  const looked = bytesFromHex(mask);
  return bits.every((byte, at) => ((byte ^ (wanted?.[at] ?? 0)) & (looked?.[at] ?? 0xff)) === 0);
}

function bytesOf(claim: unknown, size: number): Uint8Array | undefined {
  const bytes = typeof claim === 'string' ? bytesFromHex(claim) : undefined;
  return bytes?.length === size ? bytes : undefined;
}
