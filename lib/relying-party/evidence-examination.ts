import { createHash } from 'node:crypto';
import type { Evidence } from '../abi/evidence.js';
import { encodeBase64url } from '../base/base64url.js';
import { isBytes } from '../base/bytes.js';
import { canonicalJson } from '../base/canonical-json.js';
import { type Check, VerificationError } from '../base/errors.js';
import { custom } from '../base/option-kinds.js';
import { invalid } from '../base/options.js';
import { nodeContext } from '../node/context.js';
import { judgeEvidence } from '../verify/evidence.js';
import {
  checkExchangeOptions,
  checkStandingOptions,
  type StandingOptions,
  type VerificationOptions,
} from '../verify/options.js';
import { type TrustedRootInput, trustAnchors } from '../verify/roots.js';

/** Roots that replace the pinned ones, checked when a service is made. */
export const rootsOption = custom((value) => {
  const roots = value as readonly TrustedRootInput[];
  trustAnchors(roots);
  return roots;
});

/** What a relying party demands of every machine's evidence: the options of `verifyEvidence`, without one exchange's values. */
export type EvidenceDemands = Pick<VerificationOptions, 'policy' | 'trustedRoots' | 'crls' | 'now'>;
export type EvidenceExchange = Pick<VerificationOptions, 'nonce' | 'context' | 'userData' | 'collateral' | 'crls'>;

/** Evidence that was looked at: its checks are put into words by `list.checks` alone. */
export type Examination = Awaited<ReturnType<typeof judgeEvidence>>;

/** Verifies evidence, in all its checks, by demands that are read once: roots and policy take as long as a signature. */
export class EvidenceExaminer {
  readonly #what: string;
  readonly #demands: StandingOptions;

  /** @throws {AttestationError} 8 */
  constructor(what: string, demands: EvidenceDemands) {
    this.#what = what;
    this.#demands = checkStandingOptions(what, demands);
  }

  /** @param protocol the context of this package's own protocol that the nonce belongs to */
  async examine(evidence: Evidence, { crls, ...exchange }: EvidenceExchange, protocol?: string): Promise<Examination> {
    const demands = crls === undefined ? this.#demands : Object.assign({}, this.#demands, { crls });
    const options = checkExchangeOptions(this.#what, demands, exchange, protocol);
    return judgeEvidence(nodeContext, evidence, options);
  }
}

/** Whether nothing is wrong with evidence but what `codes` say, and what could not be looked at because of that. */
export function lacksOnly({ list }: Pick<Examination, 'list'>, codes: readonly string[]): boolean {
  return list.outcomes.every(({ ok, code }) => ok || codes.includes(code) || code === 'ERR_NOT_CHECKED');
}

/** The refusal of a result that is not good. */
export function refusalOf(checks: readonly Check[]): VerificationError {
  const failed = checks.find(({ ok }) => !ok);
  return new VerificationError(failed?.code ?? 'ERR_EVIDENCE', failed?.name ?? 'the evidence is refused', checks);
}

/**
 * SHA-256 of what a verdict depends on: a session from before a change of policy, roots or options is not a session after it.
 * Of functions it has the names: what fetches a document that is verified decides nothing.
 */
export function digestOf(value: unknown): Buffer {
  const json = JSON.stringify(value, (_, member: unknown) => {
    if (isBytes(member)) return { bytes: encodeBase64url(member) };
    if (typeof member === 'function') return String(member.name);
    return member;
  });
  return createHash('sha256')
    .update(canonicalJson(JSON.parse(json ?? 'null')))
    .digest();
}

/** The PCRs that say which firmware, boot loader and Secure Boot state a machine has: root in it cannot extend them again. */
const BOOT_PCRS = ['4', '7'];

/**
 * Refuses a policy that says what kind of a machine is let in, but not whose: every tenant of the cloud can start the same
 * image, and is root in it.
 *
 * @throws {AttestationError} 8
 */
export function requireNamedMachines(what: string, policy: unknown, allowAnyMachine: boolean): void {
  if (allowAnyMachine) return;
  const { vmIds, pcrs } = (policy ?? {}) as { vmIds?: unknown; pcrs?: Record<string, unknown> };
  if (Array.isArray(vmIds) && vmIds.length > 0) return;
  if (pcrs !== undefined && BOOT_PCRS.every((index) => pcrs[index] !== undefined)) return;
  throw invalid(
    `${what}: the policy must name machines that another tenant cannot have: vmIds, or pcrs with 4 and 7 of an image that ` +
      'nobody can log in to; allowAnyMachine: true lets in every machine that the policy fits',
  );
}
