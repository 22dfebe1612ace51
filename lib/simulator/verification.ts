import type { VerificationPolicy } from '../verify/policy.js';
import type { Parts } from './parts.js';
import type { SimulatedTdxCollateral } from './tdx/collateral.js';

/** Where the launch measurement lies in an HCL report's hardware report: at 0x090 of the SNP report (layouts.md 2). */
const measurement = { start: 32 + 0x090, size: 48 };

/** Options of `verifyEvidence` that accept one simulated machine. */
export interface MachineVerification {
  /** PEM certificates. */
  trustedRoots: string[];
  policy: VerificationPolicy;
  /** Of a TDX machine. */
  collateral?: SimulatedTdxCollateral;
}

export function verificationOf({
  authorities,
  leaf,
  paravisor,
  tdx,
}: Pick<Parts, 'authorities' | 'leaf' | 'paravisor' | 'tdx'>): MachineVerification {
  if (tdx) {
    const policy = { tdx: { mrtd: [tdx.mrtd.toString('hex')] } };
    return { trustedRoots: [tdx.root.pem, authorities.vtpm.root.pem], policy, collateral: tdx.collateral };
  }
  const trustedRoots = [authorities.amd.ark.pem, authorities.vtpm.root.pem];
  const report = paravisor?.current;
  if (!report) return { trustedRoots, policy: {} };
  const digest = report.subarray(measurement.start, measurement.start + measurement.size);
  return {
    trustedRoots,
    policy: { measurement: digest.toString('hex'), ...(leaf.kind === 'vlek' ? { allowVlek: true } : {}) },
  };
}
