import { join } from 'node:path';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { VerificationPolicy } from '../../verify/policy.js';

/** Where the doctor looks. The folders are those of the machine, or of a copy of one. */
export interface DoctorEnvironment {
  tcti: string;
  imdsUrl: string;
  /** Attestation service to try, when there is one. */
  attestationUrl?: string;
  /** Key vault whose audience is told, when there is one. */
  vaultUrl?: string;
  eventLogPath?: string;
  osReleasePath?: string;
  /** Root certificates that replace AMD's, for a simulated machine. */
  trustedRoots?: Uint8Array[];
  /** TDX: collateral for the platform. */
  collateral?: TdxCollateral;
  /** What to demand of the evidence besides. */
  policy?: VerificationPolicy;
  /** HTTP proxy for everything but instance metadata; false for none. Default: the environment's. */
  proxy?: string | false;
  /** `/`, unless a copy of a machine's files is looked at. */
  root: string;
  signal: AbortSignal;
}

export function pathOf(environment: DoctorEnvironment, ...parts: string[]): string {
  return join(environment.root, ...parts);
}

/** Sizes of virtual machine that Azure runs as confidential guests with a paravisor: SEV-SNP (a), Intel TDX (e). */
export const CONFIDENTIAL_SIZES =
  'DCas_v5, DCads_v5, ECas_v5, ECads_v5 or their v6 (AMD), DCes_v6, DCeds_v6, ECes_v6 or ECeds_v6 (Intel)';

/** Hardware that a size name stands for; undefined for a size that is not confidential. */
export function hardwareOfSize(size: string): 'amd' | 'intel' | undefined {
  const [, letter] = /^Standard_(?:DC|EC)\d+(a|e)d?s_(?:cc_)?v\d+$/i.exec(size) ?? [];
  return letter === undefined ? undefined : letter.toLowerCase() === 'a' ? 'amd' : 'intel';
}
