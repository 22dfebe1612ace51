import { join } from 'node:path';
import type { VerificationPolicy } from '../../verify/policy.js';

/** Where the doctor looks. The folders are those of the machine, or of a copy of one. */
export interface DoctorEnvironment {
  tcti: string;
  imdsUrl: string;
  /** Attestation service to try, when there is one. */
  attestationUrl?: string;
  eventLogPath?: string;
  osReleasePath?: string;
  /** Root certificates that replace AMD's, for a simulated machine. */
  trustedRoots?: Uint8Array[];
  /** What to demand of the evidence besides. */
  policy?: VerificationPolicy;
  /** `/`, unless a copy of a machine's files is looked at. */
  root: string;
  signal: AbortSignal;
}

export function pathOf(environment: DoctorEnvironment, ...parts: string[]): string {
  return join(environment.root, ...parts);
}

/** Sizes of virtual machine that Azure runs as SEV-SNP guests with a paravisor. */
export const CONFIDENTIAL_SIZES = 'DCas_v5, DCads_v5, ECas_v5, ECads_v5, DCas_v6, DCads_v6, ECas_v6 and ECads_v6';
