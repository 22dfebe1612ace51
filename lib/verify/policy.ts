import { createRequire } from 'node:module';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { TdxPolicy } from './tdx/policy.js';
import type { GuestPolicy, PlatformInfo, Product, Tcb } from './types.js';

/** Hex digits, or a list of which any will do. */
export type HexValues = string | string[];
/** Least components for every product, or for each: a product that is not listed is refused then. */
export type MinimumTcb = Partial<Tcb> | Partial<Record<Product, Partial<Tcb>>>;

/**
 * What a relying party demands of genuine evidence. Plain JSON; schema/verification-policy.schema.json (shipped with the
 * package) and docs/policy.md describe every member. An unknown member is an error.
 */
export interface VerificationPolicy {
  $schema?: string;
  allowedProducts?: Product[];
  /** Default: false. */
  allowDebug?: boolean;
  /** Default: false. */
  allowMigration?: boolean;
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
  trustedIdKeyHashes?: string[];
  trustedAuthorKeyHashes?: string[];
  /** PEM public keys or certificates, P-384. */
  trustedIdKeys?: string[];
  trustedAuthorKeys?: string[];
  requireQuote?: boolean;
  requireSecureBoot?: boolean;
  /** Expected SHA-256 values by PCR index. */
  pcrs?: Record<string, HexValues>;
  /** What is demanded of a TD. */
  tdx?: TdxPolicy;
}

const require = createRequire(import.meta.url);
let validator: ValidateFunction | undefined;

/**
 * Checks a policy against the published schema and returns a copy of it.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) with a sentence for every fault, naming the member.
 */
export function parsePolicy(policy: unknown): VerificationPolicy {
  const validate = policyValidator();
  if (!validate(policy)) {
    const faults = (validate.errors ?? []).map(faultText).filter((text) => text !== undefined);
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      `the policy is not valid: ${[...new Set(faults)].join('; ')}`,
    );
  }
  return structuredClone(policy) as VerificationPolicy;
}

/** The policy to apply: the defaults without one. */
export function compilePolicy(policy: unknown): VerificationPolicy {
  return policy === undefined ? {} : parsePolicy(policy);
}

// Loaded at the first policy: most of what ajv does is compile, and most programs need no policy.
function policyValidator(): ValidateFunction {
  if (validator === undefined) {
    const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
    const schema = require('cvm-guest-attestation/schema/verification-policy.schema.json') as object;
    validator = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);
  }
  return validator;
}

function faultText(error: ErrorObject): string | undefined {
  if (error.keyword === 'anyOf') return undefined; // its branches are listed as well
  const where = error.instancePath.slice(1).replaceAll('/', '.');
  if (error.keyword === 'additionalProperties') {
    const { additionalProperty } = error.params as { additionalProperty: string };
    return `unknown member '${where === '' ? '' : `${where}.`}${additionalProperty}'`;
  }
  return `${where === '' ? 'it' : `'${where}'`} ${error.message ?? 'is wrong'}`;
}
