/** What one look at the machine gave. */
export interface Finding {
  /** Stable name, for `--json`. */
  id: string;
  /** What was looked at. */
  title: string;
  /** `problem`: attestation does not work, or must not be trusted; `warning`: it works, but somebody should know. */
  status: 'ok' | 'warning' | 'problem' | 'skipped';
  /** What was found. */
  found: string;
  /** What that means. */
  meaning?: string;
  /** What to do about it. */
  action?: string;
}

type About = Pick<Finding, 'id' | 'title'>;
type Advice = Pick<Finding, 'meaning' | 'action'>;

export const ok = (about: About, found: string): Finding => ({ ...about, status: 'ok', found });
export const warning = (about: About, found: string, advice: Advice): Finding => ({
  ...about,
  status: 'warning',
  found,
  ...advice,
});
export const problem = (about: About, found: string, advice: Advice): Finding => ({
  ...about,
  status: 'problem',
  found,
  ...advice,
});
export const skipped = (about: About, why: string): Finding => ({ ...about, status: 'skipped', found: why });

/** An error in one line, for `found`. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
