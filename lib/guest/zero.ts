import { types } from 'node:util';
import { AttestationError, ErrorCode } from '../base/errors.js';

/**
 * Zeroes a buffer that a call returned. Safe to call twice, and with nothing.
 *
 * @throws AttestationError 8 for anything but bytes
 */
export function zero(data: Uint8Array | null | undefined): void {
  if (data === null || data === undefined) return;
  if (!types.isUint8Array(data)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'free takes a Uint8Array');
  }
  // Bytes that were transferred to another thread are no longer here to be zeroed: their length is 0, and fill throws.
  if (data.length > 0) data.fill(0);
}
