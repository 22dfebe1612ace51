import { AttestationError, ErrorCode } from '../base/errors.js';
import { isNativeError } from '../native.js';

/** Bytes or arguments that are not what they should be: nothing was decrypted, no key was used. */
export const invalid = (message: string, cause?: unknown): AttestationError =>
  new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message, cause === undefined ? {} : { cause });

/**
 * The one refusal for everything that an attacker could probe with changed ciphertexts: a wrong key, wrong padding, a
 * wrong tag. No cause, no TPM code, always the same words (RFC 7516 section 11.5).
 */
export const undecryptable = (): AttestationError =>
  new AttestationError(
    ErrorCode.DATA_DECRYPTION_TPM_ERROR,
    'the data cannot be decrypted: wrong key, or the data or its metadata was changed',
  );

export const isUndecryptable = (error: unknown): boolean =>
  error instanceof AttestationError && error.code === ErrorCode.DATA_DECRYPTION_TPM_ERROR;

export const closed = (what: string): AttestationError => invalid(`the ${what} is closed`);

/** What a native failure during encryption becomes. */
export function sealingError(error: unknown): unknown {
  return translate(error, (cause) => new AttestationError(ErrorCode.EVP_PKEY_ENCRYPT_FAILED, cause.message, { cause }));
}

/** What a native failure during decryption becomes. */
export function openingError(error: unknown): unknown {
  return translate(error, undecryptable);
}

function translate(error: unknown, crypto: (cause: Error) => AttestationError): unknown {
  if (isAllocationFailure(error)) {
    return new AttestationError(ErrorCode.FAILED_MEMORY_ALLOCATION, 'not enough memory for the result', {
      cause: error,
    });
  }
  if (!isNativeError(error)) return error;
  switch (error.kind) {
    case 'crypto':
      return crypto(error);
    case 'internal':
      return new AttestationError(ErrorCode.FAILED_MEMORY_ALLOCATION, error.message, { cause: error });
    default:
      return invalid(error.message, error);
  }
}

/** What Buffers and strings throw beyond what V8 or the machine has. */
function isAllocationFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (code === 'ERR_MEMORY_ALLOCATION_FAILED' || code === 'ERR_STRING_TOO_LONG') return true;
  return (
    error instanceof RangeError &&
    (code === 'ERR_OUT_OF_RANGE' || /allocation failed|Invalid (typed )?array (buffer )?length/i.test(error.message))
  );
}
