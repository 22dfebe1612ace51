import type { Check } from '../../base/errors.js';
import type { Field, Section } from '../output/table.js';

/** The links of the chain of trust, in the order in which they are drawn; each comes after those that it hangs on. */
export const LINK_IDS = [
  'root',
  'collateral',
  'intermediate',
  'leaf',
  'quoting-enclave',
  'tcb',
  'report',
  'runtime-data',
  'ak',
  'quote',
  'pcrs',
  'event-log',
  'encryption-key',
  'policy',
  'token',
] as const;
export type LinkId = (typeof LINK_IDS)[number];

/** What each link hangs on: when that is broken, so is everything behind it, whatever its own checks say. */
export const HANGS_ON: Readonly<Record<LinkId, readonly LinkId[]>> = {
  root: [],
  collateral: ['root'],
  intermediate: ['root'],
  leaf: ['intermediate'],
  'quoting-enclave': ['leaf', 'collateral'],
  tcb: ['leaf', 'collateral'],
  report: ['leaf', 'quoting-enclave'],
  'runtime-data': ['report'],
  ak: ['runtime-data'],
  quote: ['ak'],
  pcrs: ['quote'],
  'event-log': ['pcrs'],
  'encryption-key': ['ak', 'pcrs'],
  policy: ['report'],
  token: [],
};

/** One link of the chain: what it is, what was checked about it, what it says. */
export interface ChainLink {
  id: LinkId;
  title: string;
  /** Who or what it is, in a few words: a subject name, a product. */
  identity?: string;
  checks: readonly Check[];
  fields: readonly Field[];
  /** What to say when no check was made: not part of the evidence, or vouched for by somebody else. */
  absence: string;
}

/** `broken`: its own checks passed or were not made, and what it hangs on failed. */
export type LinkState = 'verified' | 'refused' | 'broken' | 'absent';

/** What was said of the whole: `unverified` when nobody asked for a verification. */
export type PageState = 'verified' | 'refused' | 'unverified';

/** A page: the verdict, the chain, and whatever does not belong to one link (facts of the document). */
export interface Page {
  title: string;
  /** What was looked at: a file name, a VM. */
  subject: string;
  /** What must be read with the verdict: that it rests on other roots than the vendor's, for one. */
  caution?: string;
  state: PageState;
  verdict: string;
  links: readonly ChainLink[];
  /** Checks that belong to no link. */
  otherChecks: readonly { title: string; checks: readonly Check[] }[];
  sections: readonly Section[];
  created: Date;
  version: string;
}

/** What its own checks say. A check that only could not be made for another's failure breaks the link, no more. */
export function ownState(checks: readonly Check[]): LinkState {
  const failed = checks.filter((check) => !check.ok);
  if (failed.some((check) => check.code !== 'ERR_NOT_CHECKED')) return 'refused';
  if (failed.length > 0) return 'broken';
  return checks.some((check) => !check.skipped) ? 'verified' : 'absent';
}

/** The state of every link, with what it hangs on. A link that is not there passes on what the one before it is. */
export function statesOf(links: readonly ChainLink[]): ReadonlyMap<LinkId, LinkState> {
  const own = new Map(links.map(({ id, checks }) => [id, ownState(checks)]));
  const cut = new Map<LinkId, boolean>();
  const states = new Map<LinkId, LinkState>();
  for (const id of LINK_IDS) {
    const state = own.get(id) ?? 'absent';
    const above = HANGS_ON[id].some((one) => cut.get(one) === true);
    cut.set(id, above || state === 'refused' || state === 'broken');
    if (own.has(id)) states.set(id, above && state === 'verified' ? 'broken' : state);
  }
  return states;
}

/** The nearest failed links that a broken one hangs on. */
export function brokenBy(id: LinkId, states: ReadonlyMap<LinkId, LinkState>): LinkId[] {
  return HANGS_ON[id].flatMap((one) => (states.get(one) === 'refused' ? [one] : brokenBy(one, states)));
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
