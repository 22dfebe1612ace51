import type { Check } from '../../base/errors.js';
import type { LinkState } from './model.js';

/** Signs beside the colours, for paper and for whoever does not see the colours. */
export const STATE_MARKS: Readonly<Record<LinkState, string>> = {
  verified: '✓',
  refused: '✗',
  broken: '≠',
  absent: '–',
};

/** The same in words, for whoever hears the page. */
export const STATE_WORDS: Readonly<Record<LinkState, string>> = {
  verified: 'verified',
  refused: 'refused',
  broken: 'broken',
  absent: 'not checked',
};

export function markOf(check: Check): string {
  if (check.skipped) return '–';
  return check.ok ? '✓' : '✗';
}
