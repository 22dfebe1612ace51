import { AttestationError, ErrorCode } from '../../base/errors.js';

/** What a condition may be compared with. */
export type ClaimValue = string | number | boolean;

export const OPERATORS = [
  'equals',
  'notEquals',
  'less',
  'lessOrEquals',
  'greater',
  'greaterOrEquals',
  'exists',
] as const;

export type ReleaseOperator = (typeof OPERATORS)[number];

/** Exactly one value: the operator is the name of the member that holds it. */
type OneOperator = {
  [Operator in ReleaseOperator]: { readonly [Name in Operator]: ClaimValue } & {
    readonly [Other in Exclude<ReleaseOperator, Operator>]?: never;
  };
}[ReleaseOperator];

/** One claim and what it must be. The path goes through objects by their names, with dots in between. */
export type ClaimCondition = { readonly claim: string } & OneOperator;

/** Conditions of which all, or any one, must hold. */
export type ConditionGroup =
  | { readonly allOf: readonly ReleaseCondition[]; readonly anyOf?: never }
  | { readonly anyOf: readonly ReleaseCondition[]; readonly allOf?: never };

export type ReleaseCondition = ClaimCondition | ConditionGroup;

/** An attestation service whose tokens are taken, and what they must say. */
export type ReleaseAuthority = { readonly authority: string } & ConditionGroup;

/**
 * Release policy of a key, as Key Vault and Managed HSM evaluate it before they release the key: a tree of plain JSON, the
 * same as on the wire.
 *
 * Source: Azure Key Vault, "Secure key release policy grammar", version 1.0.0.
 */
export interface ReleasePolicy {
  readonly version: '1.0.0';
  readonly anyOf: readonly ReleaseAuthority[];
}

/** A release policy that is not one: says where (JSON pointer) and, where the mistake is a known one, what to write. */
export class PolicyError extends AttestationError {
  /** RFC 6901, for instance `/anyOf/0/allOf/1`; empty for the whole policy. */
  readonly pointer: string;
  readonly hint?: string;

  constructor(pointer: string, problem: string, hint?: string) {
    const place = pointer === '' ? 'the release policy' : `the release policy at ${pointer}`;
    super(ErrorCode.INVALID_INPUT_PARAMETER, `${place}: ${problem}${hint === undefined ? '' : ` (${hint})`}`);
    this.pointer = pointer;
    if (hint !== undefined) this.hint = hint;
  }
}
