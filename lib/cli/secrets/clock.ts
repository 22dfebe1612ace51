import { delay } from '../../base/abort.js';
import { VerificationError } from '../../base/errors.js';

/** What a clock that is behind makes of a token or certificate that was made a moment ago. */
const TOO_EARLY = ['ERR_TOKEN_NOT_YET_VALID', 'ERR_TOKEN_ISSUED_IN_FUTURE'];
const PATIENCE_MS = 30_000;
const PAUSE_MS = 1_000;

/**
 * Runs work again, for up to 30 seconds, while its failure is that this machine's clock is behind: a VM that has just
 * started sets its clock late.
 *
 * @throws VerificationError that says by how much the clock is wrong
 */
export async function whileClockIsBehind<T>(
  work: () => Promise<T>,
  say: (message: string) => void,
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let first = true; ; first = false) {
    try {
      return await work();
    } catch (error) {
      const behind = secondsBehind(error);
      if (behind === undefined) throw error;
      if (performance.now() >= deadline) {
        const { code, checks, message } = error as VerificationError;
        const why = `the clock of this machine is at least ${behind} s behind the attestation service's`;
        throw new VerificationError(code, `${why}: ${message}`, checks, error);
      }
      if (first) say(`the clock of this machine is ${behind} s behind: waiting for it to be set`);
    }
    await delay(PAUSE_MS, signal);
  }
}

/** By how much a time that was found is after the latest one that is taken; undefined for any other failure. */
function secondsBehind(error: unknown): number | undefined {
  if (!(error instanceof VerificationError) || !TOO_EARLY.includes(error.code)) return undefined;
  const check = error.checks.find(({ ok, code }) => !ok && code !== undefined && TOO_EARLY.includes(code));
  const behind = Number(check?.actual) - Number(check?.expected);
  // The latest time that is taken is 60 s ahead of the clock.
  return Number.isFinite(behind) ? behind + 60 : 60;
}
