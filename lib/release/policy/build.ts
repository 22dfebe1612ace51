import { AttestationError, ErrorCode } from '../../base/errors.js';
import { type OptionNames, refuseUnknownOptions } from '../../base/option-names.js';
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

const OPTION_NAMES = {
  authorities: true,
  tee: true,
  compliant: true,
  secureBoot: true,
  noDebug: true,
  vmIds: true,
  minGuestSvn: true,
  launchMeasurements: true,
  and: true,
} satisfies OptionNames<ReleasePolicyOptions>;

/** Claims of a guest token that say the same of either hardware. */
const TEE_CLAIMS = {
  snp: {
    type: 'sevsnpvm',
    measurement: 'x-ms-sevsnpvm-launchmeasurement',
    debug: 'x-ms-sevsnpvm-is-debuggable',
  },
  tdx: { type: 'tdxvm', measurement: 'tdx_mrtd', debug: 'tdx_td_attributes_debug' },
} as const;

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const HEX_48_BYTES = /^[0-9a-f]{96}$/i;

const inTee = (claim: string): string => `x-ms-isolation-tee.${claim}`;

/**
 * A release policy for programs in a confidential VM, whose tokens are those of guest attestation (`attest()`): the
 * hardware's claims are nested under `x-ms-isolation-tee` there.
 *
 * @throws AttestationError 8 for wrong options; PolicyError for wrong authorities or conditions
 */
export function buildReleasePolicy(options: ReleasePolicyOptions): ReleasePolicy {
  checkOptions(options);
  const { tee = 'snp', compliant = true, secureBoot, noDebug, vmIds, minGuestSvn, launchMeasurements, and } = options;
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
    anyOf: options.authorities.map((authority) => ({ authority, allOf: conditions })),
  });
}

function oneOf(claim: string, values: readonly string[]): ReleaseCondition {
  const conditions = values.map((value) => ({ claim, equals: value }));
  const [only] = conditions;
  return conditions.length === 1 && only !== undefined ? only : { anyOf: conditions };
}

function checkOptions(options: ReleasePolicyOptions): void {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
  refuseUnknownOptions(options, OPTION_NAMES);
  const lost = Object.entries(options).find(([, value]) => value === undefined);
  if (lost !== undefined) throw invalid(`${lost[0]} is undefined`);
  const { authorities, tee, vmIds, minGuestSvn, launchMeasurements, and } = options;
  if (!isTextList(authorities)) throw invalid('authorities must be a list of issuers');
  if (tee !== undefined && tee !== 'snp' && tee !== 'tdx') throw invalid('tee must be snp or tdx');
  for (const name of ['compliant', 'secureBoot', 'noDebug'] as const) {
    if (name in options && typeof options[name] !== 'boolean') throw invalid(`${name} must be true or false`);
  }
  if (vmIds !== undefined && !(isTextList(vmIds) && vmIds.every((id) => GUID.test(id)))) {
    throw invalid('vmIds must be a list of GUIDs');
  }
  if (launchMeasurements !== undefined) {
    if (!isTextList(launchMeasurements) || !launchMeasurements.every((digits) => HEX_48_BYTES.test(digits))) {
      throw invalid('launchMeasurements must be a list of 96 hex digits each');
    }
  }
  if (minGuestSvn !== undefined) {
    if (!Number.isInteger(minGuestSvn) || minGuestSvn < 0 || minGuestSvn > 0xffffffff) {
      throw invalid('minGuestSvn must be an integer from 0');
    }
    if (tee === 'tdx') throw invalid('minGuestSvn is of SEV-SNP: a TD has no such version');
  }
  if (and !== undefined && !Array.isArray(and)) throw invalid('and must be a list of conditions');
}

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');

const invalid = (message: string): AttestationError => new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
