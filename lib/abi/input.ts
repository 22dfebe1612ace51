import { byteLength, isBytes, typedArrayGetter } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { invalid } from '../base/options.js';

const bufferOf = typedArrayGetter<ArrayBuffer>('buffer');
const offsetOf = typedArrayGetter<number>('byteOffset');

/**
 * A plain view of the same bytes, whatever the class and the properties of what was given say.
 *
 * @throws {AttestationError} 8 for anything but a Uint8Array.
 */
export function plainBytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw invalid('a Uint8Array is needed');
  const length = byteLength(value);
  // Also of memory that was transferred away: of that no view can be made.
  return length === 0 ? new Uint8Array(0) : new Uint8Array(bufferOf.call(value), offsetOf.call(value), length);
}

/** HCL_REPORT_EMPTY (21): there is nothing to parse. */
export function emptyInput(what: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_EMPTY, `${what} is empty`);
}

/** HCL_REPORT_PARSING_FAILURE (20). */
export function malformed(what: string, why: string, cause?: unknown): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `${what}: ${why}`, { cause });
}
