import { AttestationError, ErrorCode } from '../base/errors.js';
import type { OptionNames } from '../base/option-names.js';

/** What a token must say. Each expectation that is given is checked; one that is given as `undefined` is an error. */
export interface TokenPolicy {
  /** Which token: `azurevm` (guest attestation, with the SEV-SNP claims nested) or `sevsnpvm` (platform). Default: either. */
  attestationType?: 'azurevm' | 'sevsnpvm' | readonly ('azurevm' | 'sevsnpvm')[];
  /** Demands `x-ms-compliance-status` `azure-compliant-cvm`. True by default. */
  requireCompliance?: boolean;
  /** Demands `secure-boot` in the VM configuration and, in a guest token, `secureboot` (the event log) as well. */
  requireSecureBoot?: boolean;
  /** Demands `tpm-enabled` in the VM configuration. */
  requireTpm?: boolean;
  /** Accepts a guest whose memory the host may read, and boot, kernel or hypervisor debugging. False by default. */
  allowDebug?: boolean;
  /** Accepts a guest that a migration agent may move. False by default. */
  allowMigration?: boolean;
  /** Claim `nonce` of a platform token; client payload `nonce` (or `Nonce`) of a guest token. Text, not base64. */
  nonce?: string;
  /** Members that the client payload must have, as the guest gave them: text, not base64. It may have others. */
  clientPayload?: Readonly<Record<string, string>>;
  /** Accepted `x-ms-policy-hash`, base64url. */
  policyHash?: string | readonly string[];
  /** VM id, a GUID, in any case. */
  vmId?: string;
  /** Accepted launch measurements: 48 bytes, or hex. */
  launchMeasurement?: HexValue | readonly HexValue[];
  /** Accepted host data: 32 bytes, or hex. */
  hostData?: HexValue | readonly HexValue[];
  /** Accepted digests of the key that signed the image's ID block: 48 bytes, or hex. */
  idKeyDigest?: HexValue | readonly HexValue[];
  /** Lowest accepted security versions. */
  minimumSvn?: MinimumSvn;
}

export const POLICY_NAMES = {
  attestationType: true,
  requireCompliance: true,
  requireSecureBoot: true,
  requireTpm: true,
  allowDebug: true,
  allowMigration: true,
  nonce: true,
  clientPayload: true,
  policyHash: true,
  vmId: true,
  launchMeasurement: true,
  hostData: true,
  idKeyDigest: true,
  minimumSvn: true,
} satisfies OptionNames<TokenPolicy>;

/** Bytes, or the same in hex. */
export type HexValue = string | Uint8Array;

/** Lowest accepted security versions (SVNs) of the AMD firmware components and of the guest image. */
export interface MinimumSvn {
  bootloader?: number;
  tee?: number;
  snpfw?: number;
  microcode?: number;
  guest?: number;
}

/** A policy after its own checks, in the form in which claims are compared. */
export interface NormalisedPolicy {
  attestationTypes: readonly string[];
  requireCompliance: boolean;
  requireSecureBoot: boolean;
  requireTpm: boolean;
  allowDebug: boolean;
  allowMigration: boolean;
  nonce: string | undefined;
  clientPayload: readonly (readonly [string, string])[];
  policyHashes: readonly string[] | undefined;
  vmId: string | undefined;
  launchMeasurements: readonly string[] | undefined;
  hostData: readonly string[] | undefined;
  idKeyDigests: readonly string[] | undefined;
  minimumSvn: readonly (readonly [keyof MinimumSvn, number])[];
}

const EXPECTATIONS = [
  'attestationType',
  'nonce',
  'clientPayload',
  'policyHash',
  'vmId',
  'launchMeasurement',
  'hostData',
  'idKeyDigest',
  'minimumSvn',
] as const satisfies readonly (keyof TokenPolicy)[];

const SVN_NAMES: readonly (keyof MinimumSvn)[] = ['bootloader', 'tee', 'snpfw', 'microcode', 'guest'];

/** Checks the caller's side. Throws AttestationError 8, so that a mistake in it never reads as an accepted token. */
export function normalisePolicy(policy: TokenPolicy): NormalisedPolicy {
  for (const name of EXPECTATIONS) {
    // A nonce that a session has lost must not become a nonce that nobody checks.
    if (name in policy && policy[name] === undefined) throw invalid(`${name} is given but undefined`);
  }
  const { nonce, vmId } = policy;
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce === '')) throw invalid('nonce must be a text');
  if (vmId !== undefined && (typeof vmId !== 'string' || vmId === '')) throw invalid('vmId must be a text');
  return {
    attestationTypes: attestationTypes(policy.attestationType),
    requireCompliance: policy.requireCompliance ?? true,
    requireSecureBoot: policy.requireSecureBoot ?? false,
    requireTpm: policy.requireTpm ?? false,
    allowDebug: policy.allowDebug ?? false,
    allowMigration: policy.allowMigration ?? false,
    nonce,
    clientPayload: clientPayload(policy.clientPayload),
    policyHashes: texts('policyHash', policy.policyHash),
    vmId: vmId?.toLowerCase(),
    launchMeasurements: hexValues('launchMeasurement', policy.launchMeasurement, 48),
    hostData: hexValues('hostData', policy.hostData, 32),
    idKeyDigests: hexValues('idKeyDigest', policy.idKeyDigest, 48),
    minimumSvn: minimumSvn(policy.minimumSvn),
  };
}

function attestationTypes(given: TokenPolicy['attestationType']): readonly string[] {
  const types = given === undefined ? ['azurevm', 'sevsnpvm'] : typeof given === 'string' ? [given] : given;
  if (!Array.isArray(types) || types.length === 0 || types.some((type) => type !== 'azurevm' && type !== 'sevsnpvm')) {
    throw invalid('attestationType must be azurevm, sevsnpvm or a list of these');
  }
  return types;
}

function clientPayload(given: TokenPolicy['clientPayload']): (readonly [string, string])[] {
  if (given === undefined) return [];
  if (typeof given !== 'object' || given === null) throw invalid('clientPayload must be an object');
  const members = Object.entries(given);
  if (members.some(([, value]) => typeof value !== 'string')) throw invalid('clientPayload must have texts as values');
  return members;
}

function texts(name: string, given: string | readonly string[] | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const values = typeof given === 'string' ? [given] : given;
  if (
    !Array.isArray(values) ||
    values.length === 0 ||
    values.some((value) => typeof value !== 'string' || value === '')
  ) {
    throw invalid(`${name} must be a text or a list of texts`);
  }
  return values;
}

function hexValues(
  name: string,
  given: HexValue | readonly HexValue[] | undefined,
  size: number,
): string[] | undefined {
  if (given === undefined) return undefined;
  const values = typeof given === 'string' || given instanceof Uint8Array ? [given] : given;
  if (!Array.isArray(values) || values.length === 0) throw invalid(`${name} must be one value or a list of values`);
  return values.map((value: HexValue) => {
    const hex = typeof value === 'string' ? value.toLowerCase() : Buffer.from(value).toString('hex');
    if (hex.length !== 2 * size || !/^[0-9a-f]+$/.test(hex))
      throw invalid(`${name} must be ${size} bytes, or their hex`);
    return hex;
  });
}

function minimumSvn(given: MinimumSvn | undefined): (readonly [keyof MinimumSvn, number])[] {
  if (given === undefined) return [];
  const minima: (readonly [keyof MinimumSvn, number])[] = [];
  for (const name of Object.keys(given) as (keyof MinimumSvn)[]) {
    const minimum = given[name];
    if (!SVN_NAMES.includes(name)) throw invalid(`minimumSvn knows ${SVN_NAMES.join(', ')}`);
    if (!Number.isSafeInteger(minimum) || (minimum as number) < 0) {
      throw invalid(`minimumSvn.${name} must be a whole number`);
    }
    minima.push([name, minimum as number]);
  }
  return minima;
}

/** A mistake in the caller's options. */
export function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
}
