import { delay } from '../../base/abort.js';
import { AttestationError, VerificationError } from '../../base/errors.js';

/** What a clock that is behind makes of a token that was made a moment ago. */
const TOO_EARLY = ['ERR_TOKEN_NOT_YET_VALID', 'ERR_TOKEN_ISSUED_IN_FUTURE'];
/** What it makes of a server's certificate, as OpenSSL calls it. */
const CERTIFICATE_TOO_EARLY = 'CERT_NOT_YET_VALID';
const PATIENCE_MS = 30_000;
const PAUSE_MS = 1_000;

/**
 * Runs work again, for up to 30 seconds, while its failure is that this machine's clock is behind: a VM that has just
 * started sets its clock late.
 *
 * @throws the failure, with a message that says by how much the clock is wrong, where that is known
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
      const behind = howFarBehind(error);
      if (behind === undefined) throw error;
      if (performance.now() >= deadline) throw said(error, `the clock of this machine is ${behind}`);
      if (first) say(`the clock of this machine is ${behind}: waiting for it to be set`);
    }
    await delay(PAUSE_MS, signal);
  }
}

/** In words; undefined for any other failure. */
function howFarBehind(error: unknown): string | undefined {
  if (error instanceof AttestationError && isCertificateTooEarly(error)) return 'behind the certificate of a service';
  if (!(error instanceof VerificationError) || !TOO_EARLY.includes(error.code)) return undefined;
  const check = error.checks.find(({ ok, code }) => !ok && code !== undefined && TOO_EARLY.includes(code));
  const beyond = Number(check?.actual) - Number(check?.expected);
  // The latest time that is taken is 60 s ahead of the clock.
  return `at least ${Number.isFinite(beyond) ? beyond + 60 : 60} s behind the attestation service's`;
}

/** Deeper than any chain of causes here. */
const MAX_CAUSES = 5;

function isCertificateTooEarly(error: Error): boolean {
  let cause: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    if ((cause as { code?: unknown }).code === CERTIFICATE_TOO_EARLY) return true;
    cause = cause.cause;
  }
  return false;
}

function said(error: unknown, why: string): unknown {
  if (error instanceof VerificationError) {
    return new VerificationError(error.code, `${why}: ${error.message}`, error.checks, error);
  }
  return error instanceof AttestationError
    ? new AttestationError(error.code, `${why}: ${error.message}`, { cause: error })
    : error;
}
