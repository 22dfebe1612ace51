import type { GuestPolicy, PlatformInfo } from '../abi/snp-report-fields.js';
import type { Product, Tcb } from '../abi/tcb.js';
import { checkArgument, invalid, type OptionKind } from '../base/options.js';
import { POLICY } from './policy-members.js';
import type { TdxPolicy } from './tdx/policy.js';

/** Hex digits, or a list of which any will do. */
export type HexValues = string | string[];
/** Least components for every product, or for each: a product that is not listed is refused then. */
export type MinimumTcb = Partial<Tcb> | Partial<Record<Product, Partial<Tcb>>>;

/** What a relying party demands of an SEV-SNP report. A policy that names one of these accepts SEV-SNP only. */
export interface SnpPolicy {
  allowedProducts?: Product[];
  /** Default: false. */
  allowVlek?: boolean;
  cspIds?: string[];
  /** Default: 0. */
  vmpl?: number | number[];
  guestPolicy?: { minimumAbi?: string } & Partial<
    Pick<
      GuestPolicy,
      'smt' | 'singleSocket' | 'cxlAllow' | 'memAes256Xts' | 'raplDis' | 'ciphertextHidingDram' | 'pageSwapDisable'
    >
  >;
  platformInfo?: Partial<Omit<PlatformInfo, 'unknownBits' | 'raw'>>;
  minimumGuestSvn?: number;
  /** `major.minor` of the current firmware. */
  minimumVersion?: string;
  minimumBuild?: number;
  /** Default: true. */
  permitProvisionalFirmware?: boolean;
  requireCommittedTcb?: boolean;
  minimumTcb?: MinimumTcb;
  minimumLaunchTcb?: MinimumTcb;
  /** Launch digests: names the paravisor, see docs/policy.md. */
  measurement?: HexValues;
  reportData?: HexValues;
  hostData?: HexValues;
  familyId?: HexValues;
  imageId?: HexValues;
  reportId?: HexValues;
  reportIdMa?: HexValues;
  chipId?: HexValues;
  requireIdBlock?: boolean;
  requireAuthorKey?: boolean;
  /** Together with host data of zeros these name the paravisor. */
  trustedIdKeyHashes?: string[];
  trustedAuthorKeyHashes?: string[];
  /** PEM public keys or certificates, P-384. */
  trustedIdKeys?: string[];
  trustedAuthorKeys?: string[];
  /** A current revocation list of the root must be among `crls`. */
  requireCrl?: boolean;
}

/** What a relying party demands of the guest, whatever the TEE. */
export interface GuestDemands {
  /** Default: false. */
  allowDebug?: boolean;
  /** Default: false. */
  allowMigration?: boolean;
  /** Default: both. */
  tees?: ('snp' | 'tdx')[];
  /** Lifts the check `paravisor`. Default: false. */
  allowUnidentifiedParavisor?: boolean;
  /** The hardware report must hold this exchange's `userData`. */
  requireFreshReport?: boolean;
  /** The AK certificate must chain to Azure's vTPM root and be one of a confidential VM. */
  requireAkCertificate?: boolean;
  /** `vmUniqueId` of the runtime claims must be one of these GUIDs. */
  vmIds?: string[];
  requireQuote?: boolean;
  /** `true`: the claim and the measured variable; `'configured'`: the claim alone. */
  requireSecureBoot?: boolean | 'configured';
  /** A quote over PCRs 0 to 7, and an event log that replays to it. */
  requireEventLog?: boolean;
  /** PCRs that the quote must cover. */
  quotedPcrs?: number[];
  /** Expected SHA-256 values by PCR index. */
  pcrs?: Record<string, HexValues>;
}

/**
 * What a relying party demands of genuine evidence. Plain JSON; schema/verification-policy.schema.json (shipped with the
 * package) and docs/policy.md describe every member. An unknown member is an error.
 */
export interface VerificationPolicy extends GuestDemands, SnpPolicy {
  $schema?: string;
  /** What is demanded of a TD. A policy that has this section, and no member of SEV-SNP, accepts Intel TDX only. */
  tdx?: TdxPolicy;
}

/** What is looked at in evidence, and cannot be in a report or a TD quote alone. */
const OF_EVIDENCE = [
  'requireFreshReport',
  'requireAkCertificate',
  'vmIds',
  'requireQuote',
  'requireSecureBoot',
  'requireEventLog',
  'quotedPcrs',
  'pcrs',
] as const satisfies readonly (keyof GuestDemands)[];

/**
 * Refuses a policy that demands of a report or TD quote alone what only evidence has.
 *
 * @throws {AttestationError} 8
 */
export function requireOfHardware(what: string, policy: VerificationPolicy): void {
  const lost = OF_EVIDENCE.find((member) => policy[member] !== undefined && policy[member] !== false);
  if (lost !== undefined)
    throw invalid(`${what}: policy.${lost} is for evidence, which has more than a hardware report`);
}

/**
 * Checks a policy and returns a copy of it. What is valid is what schema/verification-policy.schema.json says.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) with a sentence that names the member.
 */
export function parsePolicy(policy: unknown): VerificationPolicy {
  // With the usual prototypes, which those for the verifier's own use do not have.
  return structuredClone(checkArgument('parsePolicy', 'policy', policy, policyOption));
}

/** A policy as an option: a copy that holds what was given, and nothing that contradicts itself. */
export const policyOption: OptionKind<VerificationPolicy> = {
  check: (value, name) => {
    const policy = POLICY.check(value, name);
    const { tdx } = policy;
    if (tdx?.allowUnsupportedTcb === true && !(tdx.minimumSgxTcb && tdx.minimumTeeTcbSvn)) {
      throw invalid(`${name}.tdx.allowUnsupportedTcb needs minimumSgxTcb and minimumTeeTcbSvn`);
    }
    if (policy.allowUnidentifiedParavisor !== true) return policy;
    // An unidentified paravisor reports any vmUniqueId and any PCR that it likes.
    for (const member of ['vmIds', 'pcrs', 'requireSecureBoot', 'requireEventLog'] as const) {
      const demand = policy[member];
      if (demand === undefined || demand === false || demand === 'configured') continue;
      throw invalid(`${name}.${member} proves nothing together with allowUnidentifiedParavisor`);
    }
    return policy;
  },
};
