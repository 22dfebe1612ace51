import { type Check, VerificationError } from '../base/errors.js';

/** The error of a `verify…` function: code and words of the first failed check, with all of them. */
export function refusalOf(checks: readonly Check[]): VerificationError {
  const failed = checks.find((check) => !check.ok);
  const values = failed?.actual === undefined ? '' : `: ${failed.actual}`;
  return new VerificationError(failed?.code ?? 'ERR_NOT_CHECKED', `${failed?.name ?? 'verification'}${values}`, checks);
}

/** What was thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
