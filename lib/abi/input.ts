import { isBytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';

// The getters of %TypedArray%.prototype: a subclass or an own property may say something else than what is there.
const typedArray = /* @__PURE__ */ Object.getPrototypeOf(Uint8Array.prototype) as object;
const buffer = getter('buffer') as (this: unknown) => ArrayBuffer;
const byteOffset = getter('byteOffset') as (this: unknown) => number;
const byteLength = getter('byteLength') as (this: unknown) => number;

/* @__NO_SIDE_EFFECTS__ */ function getter(name: string): (this: unknown) => unknown {
  const get = Object.getOwnPropertyDescriptor(typedArray, name)?.get;
  if (get === undefined) throw new TypeError(`this runtime has no getter ${name} of typed arrays`);
  return get;
}

/**
 * A plain view of the same bytes, whatever the class and the properties of what was given say.
 *
 * @throws {AttestationError} 8 for anything but a Uint8Array.
 */
export function plainBytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a Uint8Array is needed');
  const length = byteLength.call(value);
  // Also of memory that was transferred away: of that no view can be made.
  return length === 0 ? new Uint8Array(0) : new Uint8Array(buffer.call(value), byteOffset.call(value), length);
}

/** HCL_REPORT_EMPTY (21): there is nothing to parse. */
export function emptyInput(what: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_EMPTY, `${what} is empty`);
}

/** HCL_REPORT_PARSING_FAILURE (20). */
export function malformed(what: string, why: string, cause?: unknown): AttestationError {
  const details = cause === undefined ? {} : { cause };
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `${what}: ${why}`, details);
}
