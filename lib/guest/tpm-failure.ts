import { abortError } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { isNativeError } from '../native.js';

/**
 * What a failure below the TPM interface becomes. The same failure has another code in attest (13), while the token is
 * unwrapped (15) and in decrypt (26), so the caller names it; a failure that no TPM or TSS call reported is 12.
 */
export function tpmFailure(error: unknown, code: ErrorCode, what: string): unknown {
  if (error instanceof AttestationError || !isNativeError(error)) return error;
  const { kind, tpmErrorCode } = error;
  const reported = kind === 'tpm' || kind === 'tpm-unavailable' || kind === 'timeout';
  return new AttestationError(reported ? code : ErrorCode.TPM_INTERNAL_FAILURE, `${what}: ${error.message}`, {
    cause: error,
    tpmErrorCode,
  });
}

/** Awaits TPM work; rejects with an `AbortError` when `signal` aborted, else as {@link tpmFailure} says. */
export async function tpmCall<T>(
  what: string,
  work: Promise<T>,
  options: { code?: ErrorCode; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (options.signal?.aborted) throw abortError(options.signal);
    throw tpmFailure(error, options.code ?? ErrorCode.TPM_OPERATION_FAILURE, what);
  }
}
