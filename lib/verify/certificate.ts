import type { NativeCertificate, NativeCertificateInfo } from '../../binding.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { native } from '../native.js';
import { parsing } from './native-parse.js';

/** A parsed certificate and what is known about it. */
export interface ChainCertificate {
  handle: NativeCertificate;
  info: NativeCertificateInfo;
  /** Its validity for people. */
  validity: string;
}

/** Far above any real chain: three certificates take 7 KiB as PEM. */
const MAXIMUM_CERTIFICATE_INPUT = 256 * 1024;

/**
 * The certificates of one DER certificate (zero padding allowed) or of PEM text with 1 to 16 of them.
 *
 * @throws {AttestationError} 21 for nothing, 20 for anything malformed, 8 for a value that is neither bytes nor text.
 */
export function loadCertificates(input: Uint8Array | string): ChainCertificate[] {
  const bytes = certificateBytes(input);
  return parsing(() =>
    native()
      .splitCertificates(bytes)
      .map((der) => {
        const handle = new (native().NativeCertificate)(der);
        const info = handle.info();
        return { handle, info, validity: `${isoTime(info.notBefore)} to ${isoTime(info.notAfter)}` };
      }),
  );
}

/** ISO 8601 of milliseconds since 1970. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Bytes of a DER or PEM input, bounded. */
function certificateBytes(input: Uint8Array | string): Uint8Array {
  requireCertificateInput(input);
  return typeof input === 'string' ? Buffer.from(input, 'utf8') : input;
}

/** Refuses what is neither bytes nor text, and what is out of all proportion. */
export function requireCertificateInput(input: Uint8Array | string): void {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a certificate is DER bytes or PEM text');
  }
  if (input.length > MAXIMUM_CERTIFICATE_INPUT) {
    throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, 'certificates larger than 256 KiB');
  }
}
