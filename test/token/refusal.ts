import { expect } from 'vitest';
import { VerificationError } from '../../lib/index.js';

/** The VerificationError that `promise` rejects with; fails when it resolves or rejects with anything else. */
export async function refusal(promise: Promise<unknown>, code: string): Promise<VerificationError> {
  const outcome = await promise.then(
    () => 'it was accepted',
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(VerificationError);
  const error = outcome as VerificationError;
  expect(error.code).toBe(code);
  expect(error.checks.find(({ ok }) => !ok)).toMatchObject({ code });
  return error;
}
