import { parseHclReport } from '../abi/hcl-report.js';
import { delay, untilAborted } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** Bytes of NV 0x01400002, and of `user-data` in the runtime claims. */
export const USER_DATA_BYTES = 64;

/** The platform makes a report again only when more than 2 s have passed since the last time. */
const REFRESH_MS = 2_100;
const MAX_READS = 5;

/**
 * Makes the platform put user data into its report. The data goes through one NV index, so that calls of one client take
 * turns; other processes are met with repetition.
 */
export class UserDataReports {
  #lastTurn: Promise<void> = Promise.resolve();

  /**
   * An HCL report whose runtime claims carry `userData`, zero-padded to 64 bytes.
   *
   * Follows layouts.md 1, "Freshness": write, read from offset 0, compare the echo, wait and read again a few times.
   *
   * @throws AttestationError 9 when the platform does not carry user data, or still returns other data after some 10 s;
   * 13 when the TPM fails; 20 or 21 when what it returns is not a report.
   */
  async collect(tpm: GuestTpm, userData: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    const previous = this.#lastTurn;
    let release = (): void => {};
    const ended = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#lastTurn = previous.then(() => ended);
    try {
      await untilAborted(previous, signal);
      return await collectFresh(tpm, Buffer.concat([userData, Buffer.alloc(USER_DATA_BYTES)], USER_DATA_BYTES), signal);
    } finally {
      release();
    }
  }
}

async function collectFresh(tpm: GuestTpm, data: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
  const expected = data.toString('hex');
  for (let read = 1; ; read++) {
    const bytes = await tpmCall(
      'no HCL report over the user data can be had',
      tpm.nvWriteThenRead(
        { writeIndex: AzureTpm.USER_DATA, data, readIndex: AzureTpm.HCL_REPORT },
        { ...(signal && { signal }) },
      ),
      { signal },
    );
    const { claims, bound } = parseHclReport(bytes);
    const echo = claims['user-data'];
    if (echo === undefined) throw refused('the platform does not carry user data in its HCL report');
    if (bound && echo.toLowerCase().padEnd(2 * USER_DATA_BYTES, '0') === expected) return bytes;
    if (read === MAX_READS) throw refused('the HCL report does not carry the user data, however often it is read');
    await delay(REFRESH_MS, signal);
  }
}

const refused = (message: string): AttestationError =>
  new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message);
