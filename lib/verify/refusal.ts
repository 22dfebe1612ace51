import { type Check, VerificationError } from '../base/errors.js';

/** The error of a `verify…` function: code and words of the first failed check, with all of them. */
export function refusalOf(checks: readonly Check[], cause?: unknown): VerificationError {
  const failed = checks.find((check) => !check.ok);
  const values = failed?.actual === undefined ? '' : `: ${failed.actual}`;
  const message = `${failed?.name ?? 'verification'}${values}`;
  return new VerificationError(failed?.code ?? 'ERR_NOT_CHECKED', message, checks, cause);
}

export { messageOf } from '../base/errors.js';
