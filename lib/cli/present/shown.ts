import type { RefusedEvidence, VerificationFacts } from '../../verify/result.js';

/** What the commands show of a verification: of a report alone, or of evidence, proven or refused. */
export type ShownResult = VerificationFacts & { ok: boolean } & Partial<
    Omit<RefusedEvidence, 'ok' | keyof VerificationFacts>
  >;
