import type { TdQuote } from '../../abi/td-quote.js';
import { isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { includesHex } from '../hex-values.js';
import type { ParavisorIdentity } from '../paravisor.js';
import type { TdxPolicy } from './policy.js';

/**
 * MRTDs of the paravisors in Azure's TDX VMs, as seen in genuine quotes (2024 to 2026). Microsoft measures a new one with each
 * release; a policy can name it.
 */
export const AZURE_MRTDS: readonly string[] = /* @__PURE__ */ Object.freeze([
  '024a32b070383331181619fa387cb4d55d1e38879f989933055ccad5bc2db795d1737b66205949d15469dc8c1ba7ab7b',
  '273828c46252fcbdd8ad2dd907130222b03466d52a2911d70c1a5950895d6bd1ae451d382d5a9b1b4c0ed0e5ae9a3dbd',
]);

const UNCONFIGURED = ['mrconfigid', 'mrowner', 'mrownerconfig'] as const;

/**
 * Whether the TD is a paravisor, which alone then writes REPORTDATA: started with an MRTD that the policy names or that is
 * Azure's, without a configuration and with nothing extended into its RTMRs. A TD whose guest boots by itself extends them.
 */
export function identifyTdxParavisor(quote: TdQuote, { mrtd: named }: TdxPolicy): ParavisorIdentity {
  const expected =
    'an MRTD that the policy names or that is known, with MRCONFIGID, MROWNER, MROWNERCONFIG and RTMRs zero';
  const mrtd = hex(quote.mrtd);
  const used: string[] = UNCONFIGURED.filter((field) => !isZero(quote[field]));
  for (const [index, rtmr] of quote.rtmrs.entries()) if (!isZero(rtmr)) used.push(`rtmr${index}`);
  if (used.length > 0) return { expected, actual: `MRTD ${mrtd}, but ${used.join(', ')} not zero` };
  const isKnown = AZURE_MRTDS.includes(mrtd) || (named !== undefined && includesHex(named, mrtd));
  return isKnown ? { expected, identifiedBy: 'mrtd', actual: `MRTD ${mrtd}` } : { expected, actual: `MRTD ${mrtd}` };
}
