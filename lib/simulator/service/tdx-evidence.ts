import { createHash } from 'node:crypto';
import type { TdQuote } from '../../abi/td-quote.js';
import { explainTdQuote } from '../../node/td-quote.js';
import type { TcbStatus } from '../../verify/tdx/tcb-evaluation.js';
import type { JsonObject } from './json.js';
import { untrusted } from './refusal.js';
import { failureOf } from './snp-evidence.js';
import type { TdxTrust } from './trust.js';

/** A TD quote that has been verified, with what Intel says of its platform. */
export interface TdxEvidence {
  quote: TdQuote;
  tcbStatus: TcbStatus;
}

/** Verifies a TD quote with the service's own collateral, and that it binds exactly the runtime data. */
export async function verifyTdxEvidence(
  quote: Buffer,
  runtimeData: Buffer | undefined,
  trust: TdxTrust | undefined,
  now: Date,
): Promise<TdxEvidence> {
  if (!trust) throw untrusted('this service knows no TDX platform');
  const { roots, collateral, policy } = trust;
  const result = await explainTdQuote(quote, { trustedRoots: roots, collateral, policy, now });
  if (!result.ok) throw untrusted(`the TD quote is refused: ${failureOf(result.checks)}`);
  const { tdQuote, tcb } = result;
  if (runtimeData) {
    const expected = Buffer.concat([createHash('sha256').update(runtimeData).digest(), Buffer.alloc(32)]);
    if (!expected.equals(tdQuote.reportData)) throw untrusted('the runtime data does not hash to the report data');
  }
  return { quote: tdQuote, tcbStatus: tcb?.status ?? 'NotSupported' };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Bits of ATTRIBUTES that have a claim of their own (tdx.md 4.3). */
const attributeClaims = {
  tdx_td_attributes_debug: 0n,
  tdx_td_attributes_septve_disable: 28n,
  tdx_td_attributes_protection_keys: 30n,
  tdx_td_attributes_key_locker: 31n,
  tdx_td_attributes_perfmon: 63n,
} as const;

/** Claims about a TDX guest: top level in a platform token, under `x-ms-isolation-tee` in a guest's. */
export function tdxClaims({ quote, tcbStatus }: TdxEvidence): JsonObject {
  const attributes = Buffer.from(quote.tdAttributes).readBigUInt64LE();
  const isSet = (bit: bigint): boolean => ((attributes >> bit) & 1n) === 1n;
  const [minor = 0, major = 0] = quote.teeTcbSvn;
  return {
    attester_tcb_status: tcbStatus,
    dbgstat: isSet(attributeClaims.tdx_td_attributes_debug) ? 'enabled' : 'disabled',
    eat_profile: 'https://aka.ms/maa-eat-profile-tdxvm',
    intuse: 'generic',
    tdx_mrconfigid: hex(quote.mrconfigid),
    tdx_mrowner: hex(quote.mrowner),
    tdx_mrownerconfig: hex(quote.mrownerconfig),
    tdx_mrseam: hex(quote.mrseam),
    tdx_mrsignerseam: hex(quote.mrsignerseam),
    tdx_mrtd: hex(quote.mrtd),
    tdx_report_data: hex(quote.reportData),
    ...Object.fromEntries(quote.rtmrs.map((rtmr, index) => [`tdx_rtmr${index}`, hex(rtmr)])),
    tdx_seam_attributes: hex(quote.seamAttributes),
    // Modules that have a version count it in the higher byte.
    tdx_seamsvn: minor + 256 * major,
    tdx_td_attributes: hex(quote.tdAttributes),
    ...Object.fromEntries(Object.entries(attributeClaims).map(([name, bit]) => [name, isSet(bit)])),
    tdx_tee_tcb_svn: hex(quote.teeTcbSvn),
    tdx_xfam: hex(quote.xfam),
    'x-ms-attestation-type': 'tdxvm',
    'x-ms-compliance-status': 'azure-compliant-cvm',
  };
}
