import { AttestationError, ErrorCode } from '../base/errors.js';
import { isNativeError } from '../native.js';

/** The documented code for bytes that cannot be read: 21 for none, 8 for a value of the wrong type, 20 otherwise. */
function parseFailure(error: unknown): unknown {
  if (!isNativeError(error)) return error;
  if (error.kind === 'internal') return error;
  const code =
    error.kind === 'empty'
      ? ErrorCode.HCL_REPORT_EMPTY
      : error.kind === 'invalid-argument'
        ? ErrorCode.INVALID_INPUT_PARAMETER
        : ErrorCode.HCL_REPORT_PARSING_FAILURE;
  return new AttestationError(code, error.message, { cause: error });
}

/** Runs a native parser and gives its failures their documented codes. */
export function parsing<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw parseFailure(error);
  }
}

/** A plain view on the same bytes: `subarray` of a Buffer would give Buffers. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a Uint8Array is needed');
  }
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
