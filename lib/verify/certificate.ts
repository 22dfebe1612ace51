import type { NativeCertificate, NativeCertificateInfo } from '../../binding.js';
import { AttestationError, ErrorCode } from '../errors.js';
import { native } from '../native.js';
import { parsing } from './native-parse.js';

/** A parsed certificate and what is known about it. */
export interface ChainCertificate {
  handle: NativeCertificate;
  info: NativeCertificateInfo;
}

/** Far above any real chain: three certificates take 7 KiB as PEM. */
export const MAXIMUM_CERTIFICATE_INPUT = 256 * 1024;

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
        return { handle, info: handle.info() };
      }),
  );
}

/** Bytes of a DER or PEM input, bounded. */
export function certificateBytes(input: Uint8Array | string): Uint8Array {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a certificate is DER bytes or PEM text');
  }
  if (input.length > MAXIMUM_CERTIFICATE_INPUT) {
    throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, 'certificates larger than 256 KiB');
  }
  return typeof input === 'string' ? Buffer.from(input, 'utf8') : input;
}
