import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { readBounded } from './bounded-file.js';

/** Where Linux shows the firmware's TCG event log. */
export const DEFAULT_EVENT_LOG_PATH = '/sys/kernel/security/tpm0/binary_bios_measurements';

/** Logs of real guests have tens of KiB. */
const MAX_LOG_BYTES = 4 * 1024 * 1024;

/**
 * The TCG event log; empty when there is none or it cannot be read, as in the reference client.
 *
 * @throws AttestationError 9 when the file is longer than 4 MiB: no event log is.
 */
export async function readEventLog(path: string, logger: Logger, signal?: AbortSignal): Promise<Buffer> {
  try {
    return await readBounded(path, MAX_LOG_BYTES, signal);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    if (cause instanceof RangeError) {
      throw new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, cause.message, { cause });
    }
    logger.warn(
      `the event log ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}): attesting without it`,
    );
    return Buffer.alloc(0);
  }
}
