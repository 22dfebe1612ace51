import type { Check } from '../../errors.js';
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
  /** Why the link has no checks, where it has none: not part of the evidence, or vouched for by somebody else. */
  absence?: string;
}

export type LinkState = 'verified' | 'refused' | 'absent';

/** A page: the verdict, the chain, and whatever does not belong to one link (policy, facts of the document). */
export interface Page {
  title: string;
  /** What was looked at: a file name, a VM. */
  subject: string;
  ok: boolean;
  verdict: string;
  links: readonly ChainLink[];
  /** Checks of the whole: the policy, mostly. */
  otherChecks: readonly Check[];
  sections: readonly Section[];
  created: Date;
  version: string;
}

export function stateOf(link: ChainLink): LinkState {
  if (link.checks.some((check) => !check.ok)) return 'refused';
  return link.checks.length > 0 ? 'verified' : 'absent';
}
