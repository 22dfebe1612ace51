import { adviceFor } from '../../base/advice.js';
import { AttestationError, VerificationError } from '../../base/errors.js';
import { CliError } from '../exit.js';

/** What usually helps, in one sentence, and where more of it is; undefined where nothing general can be said. */
export function hintFor(error: unknown): string | undefined {
  if (error instanceof AttestationError || error instanceof VerificationError) {
    return error.advice === undefined ? undefined : `${error.advice} More: cvm-attest explain ${error.code}`;
  }
  return error instanceof CliError ? adviceFor(error.code) : undefined;
}
