import type { Check } from '../../base/errors.js';
import type { LinkState } from './model.js';

/** Signs beside the colours, for paper and for whoever does not see the colours. */
export const STATE_MARKS: Readonly<Record<LinkState, string>> = { verified: '✓', refused: '✗', absent: '–' };

export function markOf(check: Check): string {
  if (check.skipped) return '–';
  return check.ok ? '✓' : '✗';
}
