import { AttestationError, ErrorCode as Code, type ErrorCode } from '../../base/errors.js';

const HINTS: Partial<Record<ErrorCode, string>> = {
  [Code.HTTP_REQUEST_EXCEEDED_RETRIES]:
    'the service kept answering that it is overloaded or not ready; wait a minute and repeat.',
  [Code.HTTP_REQUEST_FAILED]:
    'check the URL and, for a custom attestation provider, that it allows attestation from this network.',
  [Code.ATTESTATION_FAILED]:
    "the attestation service refused the evidence; its answer says why. Secure boot, the event log and the provider's policy are the usual reasons.",
  [Code.SENDING_CURL_REQUEST_FAILED]:
    'check name resolution, the route and any proxy between this machine and the URL.',
  [Code.FAILED_TO_GET_OS_INFO]: '/etc/os-release is missing or has no NAME.',
  [Code.JWT_DECRYPTION_TPM_ERROR]:
    'the PCRs changed, or the machine restarted, while attestation was running; attest again.',
  [Code.EMPTY_VCEK_CERT]:
    'the metadata service has no certificate for this chip yet; repeat in a minute, or use --kds.',
  [Code.HCL_REPORT_PARSING_FAILURE]: 'the bytes are not an HCL or SEV-SNP report, or are cut off.',
  [Code.HCL_REPORT_EMPTY]: 'the vTPM holds no report: this is not a confidential VM.',
  [Code.EXTRACTING_JWK_INFO]: 'the token must be the one that `cvm-attest attest` returned.',
  [Code.DATA_DECRYPTION_TPM_ERROR]:
    'the key in a token is bound to one boot: after a restart or a PCR change attest again and encrypt to the new token. Otherwise the data, or what --aad gave, is not what was encrypted.',
};

/** What usually helps, in one sentence; undefined where nothing general can be said. */
export function hintFor(error: unknown): string | undefined {
  if (!(error instanceof AttestationError)) return undefined;
  if (error.code === Code.TPM_OPERATION_FAILURE || error.code === Code.TPM_INTERNAL_FAILURE) {
    return 'run `cvm-attest doctor`: it tells a missing device from a missing permission, library, key or certificate.';
  }
  return HINTS[error.code];
}
