import { X509Certificate } from 'node:crypto';
import { delay } from '../base/abort.js';
import { isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** Waits between reads of an index that is being written: a read itself makes the platform ask for a certificate. */
const WAITS_MS: readonly number[] = [250, 500, 1_000, 2_000, 4_000];
/** TPM_RC_NV_UNINITIALIZED, whichever layer reports it. */
const NV_UNINITIALIZED = 0x14a;
/** Issuer of certificates for a key that the platform has not finished provisioning. */
const PROVISIONING_ISSUER = 'MICROSOFT AZURE TRUSTED VM RSA';

/** What NV has. */
export interface StoredAkCertificate {
  /** The whole index, with what follows the certificate. */
  contents: Buffer;
  /** Undefined when it cannot be parsed. */
  certificate: X509Certificate | undefined;
}

/**
 * Reads the attestation key's certificate. An index that is not written yet, or all zeros, is read again for some seconds
 * (openvmm#1262 and #2316: the platform delivers it after the first read).
 *
 * @returns undefined when the index is not defined
 * @throws AttestationError 13 when it cannot be read or is not written, 29 when it is all zeros or the key's provisioning is
 * not finished
 */
export async function readAkCertificate(
  tpm: GuestTpm,
  logger: Logger,
  signal?: AbortSignal,
  waitsMs: readonly number[] = WAITS_MS,
): Promise<StoredAkCertificate | undefined> {
  for (let read = 0; ; read++) {
    const outcome = await readOnce(tpm, signal);
    if (!(outcome instanceof AttestationError)) return outcome && parsed(outcome, logger);
    const wait = waitsMs[read];
    if (wait === undefined) throw outcome;
    logger.info(`${outcome.message}: reading it again in ${wait} ms`);
    await delay(wait, signal);
  }
}

/** Contents, undefined without an index, or why they may be there in a moment. */
async function readOnce(tpm: GuestTpm, signal?: AbortSignal): Promise<Buffer | undefined | AttestationError> {
  const work = tpm.nvReadIfDefined(AzureTpm.AK_CERTIFICATE, { ...(signal && { signal }) });
  try {
    const contents = await tpmCall("the attestation key's certificate cannot be read", work, { signal });
    if (contents === undefined || !isZero(contents)) return contents;
    return undelivered(ErrorCode.AK_CERT_PROVISIONING_FAILED, 'all zeros');
  } catch (error) {
    if (!isUnwritten(error)) throw error;
    return undelivered(ErrorCode.TPM_OPERATION_FAILURE, 'not written', error);
  }
}

/** Whether a failure says that the index is there and nothing was ever written to it. */
function isUnwritten(error: unknown): error is AttestationError {
  return error instanceof AttestationError && (error.tpmErrorCode & 0xffff) === NV_UNINITIALIZED;
}

/** Whether the platform has not delivered a certificate (yet). */
export function isUndelivered(error: unknown): boolean {
  return (
    isUnwritten(error) || (error instanceof AttestationError && error.code === ErrorCode.AK_CERT_PROVISIONING_FAILED)
  );
}

function undelivered(code: ErrorCode, state: string, cause?: AttestationError): AttestationError {
  return new AttestationError(
    code,
    `the platform has not delivered the attestation key's certificate: NV index 0x01C101D0 is ${state}`,
    cause === undefined ? {} : { cause, tpmErrorCode: cause.tpmErrorCode },
  );
}

function parsed(contents: Buffer, logger: Logger): StoredAkCertificate {
  let certificate: X509Certificate;
  try {
    certificate = parseDerCertificate(contents);
  } catch (error) {
    logger.warn(
      `code ${ErrorCode.AK_CERT_PARSING}: the attestation key's certificate cannot be parsed: ${error instanceof Error ? error.message : String(error)}`,
    );
    return { contents, certificate: undefined };
  }
  if (!isZero(contents.subarray(certificate.raw.length))) {
    logger.warn("NV index 0x01C101D0 has other bytes than zeros after the attestation key's certificate");
  }
  if (certificate.issuer.split('\n').some((part) => part.startsWith(`CN=${PROVISIONING_ISSUER}`))) {
    throw new AttestationError(
      ErrorCode.AK_CERT_PROVISIONING_FAILED,
      `the attestation key's certificate is issued by ${PROVISIONING_ISSUER}: its provisioning is not finished`,
    );
  }
  return { contents, certificate };
}

/** A DER certificate out of an NV index that may be longer than it. */
export function parseDerCertificate(contents: Uint8Array): X509Certificate {
  return new X509Certificate(contents.subarray(0, derLength(contents)));
}

/** Bytes of the DER SEQUENCE at the head of `bytes`. */
function derLength(bytes: Uint8Array): number {
  const [tag = 0, first = 0] = bytes;
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (tag !== 0x30 || first === 0x80 || octets > 3) throw new RangeError('not a DER certificate');
  let length = octets === 0 ? first : 0;
  for (const byte of bytes.subarray(2, 2 + octets)) length = length * 256 + byte;
  if (2 + octets + length > bytes.length) throw new RangeError('the certificate is cut short');
  return 2 + octets + length;
}
