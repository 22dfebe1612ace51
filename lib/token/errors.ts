import type { VerificationError } from '../base/errors.js';
import { refusalOf } from '../verify/refusal.js';

/** Every reason for which a token is refused: stable code and what it says. */
export const TOKEN_REFUSALS = /* @__PURE__ */ Object.freeze({
  ERR_TOKEN_SIZE: 'The token is longer than 64 KiB.',
  ERR_TOKEN_FORMAT: 'The token is not a JWS of three base64url parts with JSON objects as header and claims.',
  ERR_TOKEN_NESTING: 'The token’s JSON is nested deeper than 32 levels.',
  ERR_TOKEN_DUPLICATE_CLAIM: 'The token names a member of its JSON twice.',
  ERR_TOKEN_ALGORITHM: 'The token is unsigned, or signed with an algorithm that is not allowed.',
  ERR_TOKEN_CRITICAL_HEADER: 'The header demands an extension (`crit`) that is not understood.',
  ERR_TOKEN_ISSUER: 'The token’s issuer is not the configured one.',
  ERR_TOKEN_JKU: 'The header points at keys (`jku`) that are not the configured issuer’s.',
  ERR_TOKEN_KEY_ID: 'The header names no key (`kid`).',
  ERR_TOKEN_KEY_UNKNOWN: 'The issuer publishes no usable key with the `kid` of the token.',
  ERR_TOKEN_KEY_SET: 'The issuer’s keys are not a usable key set: malformed, or larger than the limits.',
  ERR_TOKEN_KEYS_UNAVAILABLE: 'The issuer’s keys could not be fetched: says nothing about the token.',
  ERR_TOKEN_SIGNATURE: 'The signature is not by the issuer’s key.',
  ERR_TOKEN_TIME_CLAIM: '`exp`, `nbf` or `iat` is not a number, or `exp` is missing.',
  ERR_TOKEN_EXPIRED: 'The token has expired.',
  ERR_TOKEN_NOT_YET_VALID: 'The token is not valid yet (`nbf`).',
  ERR_TOKEN_ISSUED_IN_FUTURE: 'The token says that it was issued in the future (`iat`).',
  ERR_TOKEN_TOO_OLD: 'The token was issued longer ago than `maxTokenAge` allows.',
  ERR_TOKEN_ATTESTATION_TYPE: 'The attestation type is not the expected one.',
  ERR_TOKEN_ISOLATION: 'The token does not say that the machine is a confidential VM on an accepted kind of hardware.',
  ERR_TOKEN_COMPLIANCE: 'The machine is not an `azure-compliant-cvm`.',
  ERR_TOKEN_DEBUG: 'The machine, its boot chain or its kernel may be debugged.',
  ERR_TOKEN_MIGRATION: 'The machine may be migrated by a migration agent.',
  ERR_TOKEN_VMPL: 'The report was not requested by VMPL 0.',
  ERR_TOKEN_SECURE_BOOT: 'Secure boot is not on.',
  ERR_TOKEN_TPM: 'The virtual TPM is not on.',
  ERR_TOKEN_NONCE: 'The nonce is missing or not the expected one.',
  ERR_TOKEN_CLIENT_PAYLOAD: 'The client payload is missing a value or has another one than expected.',
  ERR_TOKEN_POLICY_HASH: 'The token was made under another attestation policy than expected.',
  ERR_TOKEN_VM_ID: 'The token is about another virtual machine.',
  ERR_TOKEN_LAUNCH_MEASUREMENT: 'The launch measurement is not an expected one.',
  ERR_TOKEN_HOST_DATA: 'The host data is not the expected one.',
  ERR_TOKEN_ID_KEY: 'The image is not signed by an expected ID key.',
  ERR_TOKEN_TCB_STATUS: 'The TDX platform’s firmware is not in an accepted state (`attester_tcb_status`).',
  ERR_TOKEN_MRTD: 'The MRTD is not an expected one.',
  ERR_TOKEN_MRCONFIGID: 'The MRCONFIGID is not an expected one.',
  ERR_TOKEN_XFAM: 'The XFAM has other bits than expected.',
  ERR_TOKEN_WINDOWS: 'The boot of Windows does not meet a demand, or the guest is not Windows.',
  ERR_TOKEN_SVN: 'A security version is missing or lower than demanded.',
  ERR_TOKEN_MISSING: 'The request carries no token.',
} as const);

/** Code of a token refusal, for instance `'ERR_TOKEN_SIGNATURE'`. */
export type TokenErrorCode = keyof typeof TOKEN_REFUSALS;

/**
 * A refusal that is not a finding among the claims: the token is not even read further.
 *
 * @param name what was checked
 * @param actual what was found
 */
export function refuseToken(code: TokenErrorCode, name: string, actual?: string, cause?: unknown): VerificationError {
  return refusalOf([{ name, ok: false, code, ...(actual !== undefined && { actual }) }], cause);
}
