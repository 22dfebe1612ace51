export { AttestationError, type AttestationErrorDetails, type Check, ErrorCode, VerificationError } from './errors.js';
export type { Logger } from './logger.js';
