import { flag, integer, listOf, oneOf as oneOfValues, text, textLike, unchecked } from '../../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable, required } from '../../base/options.js';
import { parseReleasePolicy } from './parse.js';
import type { ReleaseCondition, ReleasePolicy } from './policy.js';

/** What a machine must be to get a key. */
export interface ReleasePolicyOptions {
  /** The attestation services whose tokens are taken: their issuers. Every one gets the same conditions. */
  authorities: readonly string[];
  /** Default `snp`. */
  tee?: 'snp' | 'tdx';
  /** `azure-compliant-cvm`: an unmodified platform of Azure. Default true. */
  compliant?: boolean;
  /** True: the VM booted with secure boot. Default: not asked for. */
  secureBoot?: boolean;
  /** True: neither the hardware's guest policy nor the boot allows debugging. Default: not asked for. */
  noDebug?: boolean;
  /** VM ids, any case. Without them every machine that fits, of any tenant whose identity may call the vault, gets the key. */
  vmIds?: readonly string[];
  /** Least security version that the image's author gave it (SNP only). */
  minGuestSvn?: number;
  /** Launch measurements (SNP) or MRTD (TDX), 48 bytes in hex each. */
  launchMeasurements?: readonly string[];
  /** Further conditions. */
  and?: readonly ReleaseCondition[];
}

/** Claims of a guest token that say the same of either hardware. */
const TEE_CLAIMS = {
  snp: {
    type: 'sevsnpvm',
    measurement: 'x-ms-sevsnpvm-launchmeasurement',
    debug: 'x-ms-sevsnpvm-is-debuggable',
  },
  tdx: { type: 'tdxvm', measurement: 'tdx_mrtd', debug: 'tdx_td_attributes_debug' },
} as const;

const guid = textLike(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a GUID');
const digest = textLike(/^[0-9a-f]{96}$/i, '96 hex digits');

const OPTIONS: OptionTable<ReleasePolicyOptions> = {
  authorities: required(listOf(text, 1)),
  tee: oneOfValues('snp', 'tdx'),
  compliant: flag,
  secureBoot: flag,
  noDebug: flag,
  vmIds: listOf(guid, 1),
  minGuestSvn: integer(0, 0xffff_ffff),
  launchMeasurements: listOf(digest, 1),
  and: listOf(unchecked<ReleaseCondition>()),
};

const inTee = (claim: string): string => `x-ms-isolation-tee.${claim}`;

/**
 * A release policy for programs in a confidential VM, whose tokens are those of guest attestation (`attest()`): the
 * hardware's claims are nested under `x-ms-isolation-tee` there.
 *
 * @throws AttestationError 8 for wrong options; PolicyError for wrong authorities or conditions
 */
export function buildReleasePolicy(options: ReleasePolicyOptions): ReleasePolicy {
  const {
    authorities,
    tee = 'snp',
    compliant = true,
    ...wanted
  } = checkOptions('buildReleasePolicy', options, OPTIONS);
  const { secureBoot, noDebug, vmIds, minGuestSvn, launchMeasurements, and } = wanted;
  if (tee === 'tdx' && minGuestSvn !== undefined) {
    throw invalid('buildReleasePolicy: minGuestSvn is of SEV-SNP, a TD has no such version');
  }
  const claims = TEE_CLAIMS[tee];
  const conditions: ReleaseCondition[] = [{ claim: inTee('x-ms-attestation-type'), equals: claims.type }];
  if (compliant) conditions.push({ claim: inTee('x-ms-compliance-status'), equals: 'azure-compliant-cvm' });
  if (secureBoot) conditions.push({ claim: 'secureboot', equals: true });
  if (noDebug) {
    conditions.push({ claim: 'x-ms-azurevm-bootdebug-enabled', equals: false });
    conditions.push({ claim: inTee(claims.debug), equals: false });
  }
  if (vmIds)
    conditions.push(
      oneOf(
        'x-ms-azurevm-vmid',
        vmIds.map((id) => id.toUpperCase()),
      ),
    );
  if (minGuestSvn !== undefined) {
    conditions.push({ claim: inTee('x-ms-sevsnpvm-guestsvn'), greaterOrEquals: minGuestSvn });
  }
  if (launchMeasurements) {
    conditions.push(
      oneOf(
        inTee(claims.measurement),
        launchMeasurements.map((digits) => digits.toLowerCase()),
      ),
    );
  }
  if (and) conditions.push(...and);
  return parseReleasePolicy({
    version: '1.0.0',
    anyOf: authorities.map((authority) => ({ authority, allOf: conditions })),
  });
}

function oneOf(claim: string, values: readonly string[]): ReleaseCondition {
  const conditions = values.map((value) => ({ claim, equals: value }));
  const [only] = conditions;
  return conditions.length === 1 && only !== undefined ? only : { anyOf: conditions };
}
