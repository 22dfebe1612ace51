import { bytesFromHex } from '../base/hex.js';
import { NOTHING } from '../base/options.js';
import { isAtLeast } from '../verify/tdx/check-policy.js';
import { ACCEPTED_BY_DEFAULT } from '../verify/tdx/tcb.js';
import type { MaskedValue, TokenPolicy } from './policy.js';
import { type JsonObject, lowerCase, type TokenChecks } from './token-checks.js';

/** TD attributes (Intel TDX module ABI, ATTRIBUTES), 8 bytes with the lowest first: bits 7:0 let the host look in. */
const NOT_INSPECTABLE = { value: '0', mask: 'ff00000000000000' };
/** Bit 29, MIGRATABLE. */
const NOT_MIGRATABLE = { value: '0', mask: '0000002000000000' };

/** What is demanded of a platform's TCB unless the policy says otherwise: nothing to do, or nothing but care in software. */

/** What only the claims of a TDX machine have. */
export function checkTdx(checks: TokenChecks, hardware: JsonObject, policy: TokenPolicy): void {
  const tdx: NonNullable<typeof policy.tdx> = policy.tdx ?? NOTHING;
  const { acceptedTcbStatuses = ACCEPTED_BY_DEFAULT, mrtd, mrconfigid, minimumTeeTcbSvn, xfam } = tdx;
  const { attester_tcb_status: status, tdx_td_attributes: attributes } = hardware;
  checks.claim('TCB status', 'ERR_TOKEN_TCB_STATUS', acceptedTcbStatuses, status);
  if (!policy.allowDebug) {
    // Three claims say it, and all must.
    const ok = isMasked(attributes, NOT_INSPECTABLE);
    checks.found('TD attributes forbid debugging', 'ERR_TOKEN_DEBUG', ok, { actual: attributes });
    checks.claim('tdx_td_attributes_debug', 'ERR_TOKEN_DEBUG', false, hardware.tdx_td_attributes_debug);
    checks.claim('dbgstat', 'ERR_TOKEN_DEBUG', 'disabled', hardware.dbgstat);
  }
  if (!policy.allowMigration) {
    const ok = isMasked(attributes, NOT_MIGRATABLE);
    checks.found('TD attributes forbid migration', 'ERR_TOKEN_MIGRATION', ok, { actual: attributes });
  }
  checks.claim('MRTD', 'ERR_TOKEN_MRTD', mrtd, lowerCase(hardware.tdx_mrtd));
  checks.claim('MRCONFIGID', 'ERR_TOKEN_MRCONFIGID', mrconfigid, lowerCase(hardware.tdx_mrconfigid));
  if (minimumTeeTcbSvn !== undefined) {
    const claim = hardware.tdx_tee_tcb_svn;
    const svn = isHex(claim, 16) ? bytesFromHex(claim) : undefined;
    const ok = svn !== undefined && isAtLeast(svn, minimumTeeTcbSvn);
    const values = { expected: minimumTeeTcbSvn.join(' '), actual: svn?.join(' ') };
    checks.found('TEE TCB SVN is at least', 'ERR_TOKEN_SVN', ok, values);
  }
  if (xfam !== undefined) {
    const { value, mask = 'f'.repeat(16) } = xfam;
    const values = { expected: `${value} under ${mask}`, actual: hardware.tdx_xfam };
    checks.found('XFAM', 'ERR_TOKEN_XFAM', isMasked(hardware.tdx_xfam, { value, mask }), values);
  }
}

/** Whether a claim is the hex of 8 bytes that have the value where the mask has ones. */
function isMasked(claim: unknown, { value, mask }: Required<MaskedValue>): boolean {
  const number = (hex: string): bigint => BigInt(`0x${hex}`);
  return isHex(claim, 8) && ((number(claim) ^ number(value)) & number(mask)) === 0n;
}

function isHex(claim: unknown, size: number): claim is string {
  return typeof claim === 'string' && claim.length === 2 * size && /^[0-9a-f]+$/i.test(claim);
}
