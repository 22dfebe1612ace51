import type { Check } from '../../base/errors.js';
import type { Field, Section } from '../output/table.js';

/** The links of the chain of trust, in the order in which trust flows. */
export const LINK_IDS = [
  'root',
  'intermediate',
  'leaf',
  'report',
  'runtime-data',
  'ak',
  'quote',
  'pcrs',
  'event-log',
  'token',
] as const;
export type LinkId = (typeof LINK_IDS)[number];

/** One link of the chain: what it is, what was checked about it, what it says. */
export interface ChainLink {
  id: LinkId;
  title: string;
  /** Who or what it is, in a few words: a subject name, a product. */
  identity?: string;
  checks: readonly Check[];
  fields: readonly Field[];
  /** What to say when no check was made: not part of the evidence, or vouched for by somebody else. At most 27 characters. */
  absence: string;
}

export type LinkState = 'verified' | 'refused' | 'absent';

/** A page: the verdict, the chain, and whatever does not belong to one link (policy, facts of the document). */
export interface Page {
  title: string;
  /** What was looked at: a file name, a VM. */
  subject: string;
  /** What must be read with the verdict: that it rests on other roots than AMD's, for one. */
  caution?: string;
  ok: boolean;
  verdict: string;
  links: readonly ChainLink[];
  /** Checks that belong to no link: the policy's, for one. */
  otherChecks: readonly { title: string; checks: readonly Check[] }[];
  sections: readonly Section[];
  created: Date;
  version: string;
}

export function stateOf({ checks }: { checks: readonly Check[] }): LinkState {
  if (checks.some((check) => !check.ok)) return 'refused';
  return checks.some((check) => !check.skipped) ? 'verified' : 'absent';
}

/** How many checks were made and how many of them failed; those that nothing called for do not count. */
export function countChecks(checks: readonly Check[]): { made: number; failed: number } {
  const made = checks.filter((check) => !check.skipped);
  return { made: made.length, failed: made.filter((check) => !check.ok).length };
}

/** The one sentence at the top of a page. */
export function verdictOf(ok: boolean, checks: readonly Check[]): string {
  const { made, failed } = countChecks(checks);
  return ok ? `Verified: all ${made} checks passed` : `Refused: ${failed} of ${made} checks failed`;
}
