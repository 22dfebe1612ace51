import { types } from 'node:util';
import { byteLength } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type DecryptOptions, rsaScheme } from '../content/options.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import type { KeyTemplate } from '../tpm/types.js';
import { ATTESTED_PCRS } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** One block of the TPM's RSA-2048 key. */
const BLOCK_BYTES = 256;
/** What a TPM2B_PUBLIC_KEY_RSA holds at most. */
const MAX_RSA_BYTES = 512;

/**
 * Decrypts one RSA block with the ephemeral key, in the TPM.
 *
 * @throws AttestationError 8 for no bytes, 12 for more than a TPM takes, 26 for any other length than 256 and whenever
 * the TPM refuses (wrong key, wrong padding, changed PCRs) or fails; 24 for an unknown scheme or hash.
 */
export async function decryptRsaBlock(
  tpm: GuestTpm,
  ciphertext: Uint8Array,
  options: DecryptOptions & { keyTemplate?: KeyTemplate },
): Promise<Buffer> {
  if (!types.isUint8Array(ciphertext) || byteLength(ciphertext) === 0) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the encrypted data must be a non-empty Uint8Array');
  }
  const scheme = rsaScheme(options);
  const size = byteLength(ciphertext);
  if (size !== BLOCK_BYTES) {
    const code = size > MAX_RSA_BYTES ? ErrorCode.TPM_INTERNAL_FAILURE : ErrorCode.DATA_DECRYPTION_TPM_ERROR;
    throw new AttestationError(code, `one RSA block has ${BLOCK_BYTES} bytes, not ${size}`);
  }
  const { signal, keyTemplate = 'zeros' } = options;
  return tpmCall(
    'the data cannot be decrypted',
    tpm.rsaDecrypt({ ciphertext, pcrs: ATTESTED_PCRS, keyTemplate, scheme }, { ...(signal && { signal }) }),
    { code: ErrorCode.DATA_DECRYPTION_TPM_ERROR, signal },
  );
}
