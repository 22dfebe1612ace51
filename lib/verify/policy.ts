import type { GuestPolicy, PlatformInfo } from '../abi/snp-report-fields.js';
import type { Product, Tcb } from '../abi/tcb.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { schemaFaults } from '../base/json-schema.js';
import { checkArgument, type OptionKind } from '../base/options.js';
import { plainJson } from '../base/plain-json.js';
import { POLICY_SCHEMA } from './policy-document.js';
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

/** Members of {@link SnpPolicy}. */
export const SNP_MEMBERS = [
  'allowedProducts',
  'allowVlek',
  'cspIds',
  'vmpl',
  'guestPolicy',
  'platformInfo',
  'minimumGuestSvn',
  'minimumVersion',
  'minimumBuild',
  'permitProvisionalFirmware',
  'requireCommittedTcb',
  'minimumTcb',
  'minimumLaunchTcb',
  'measurement',
  'reportData',
  'hostData',
  'familyId',
  'imageId',
  'reportId',
  'reportIdMa',
  'chipId',
  'requireIdBlock',
  'requireAuthorKey',
  'trustedIdKeyHashes',
  'trustedAuthorKeyHashes',
  'trustedIdKeys',
  'trustedAuthorKeys',
  'requireCrl',
] as const satisfies readonly (keyof SnpPolicy)[];

/**
 * Checks a policy against the published schema and returns a copy of it.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) with a sentence for every fault, naming the member.
 */
export function parsePolicy(policy: unknown): VerificationPolicy {
  return checkArgument('parsePolicy', 'policy', policy, policyOption);
}

/** A policy as an option: a copy that holds what was given, and nothing that contradicts itself. */
export const policyOption: OptionKind<VerificationPolicy> = {
  check: (value, name) => {
    const copy = plainJson(value, name);
    const faults = schemaFaults(POLICY_SCHEMA, copy);
    if (faults.length === 0) faults.push(...contradictions(copy as VerificationPolicy));
    if (faults.length > 0) {
      const why = [...new Set(faults)].join('; ');
      throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `the policy is not valid: ${why}`);
    }
    return copy as VerificationPolicy;
  },
};

// An unidentified paravisor reports any vmUniqueId and any PCR that it likes.
function contradictions(policy: VerificationPolicy): string[] {
  if (policy.allowUnidentifiedParavisor !== true) return [];
  const relied = [
    ['vmIds', policy.vmIds !== undefined],
    ['pcrs', policy.pcrs !== undefined],
    ["'requireSecureBoot': true", policy.requireSecureBoot === true],
    ['requireEventLog', policy.requireEventLog === true],
  ] as const;
  return relied.flatMap(([name, isGiven]) =>
    isGiven ? [`${name} cannot be combined with allowUnidentifiedParavisor: it would prove nothing`] : [],
  );
}
