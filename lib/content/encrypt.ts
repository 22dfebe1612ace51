import { types } from 'node:util';
import { byteLength } from '../base/bytes.js';
import { observed } from '../base/diagnostics.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { type EncryptionTarget, encryptionKeyOf } from '../token/ephemeral-key.js';
import { requireBytes } from './bytes.js';
import { encryptEnvelope } from './envelope.js';
import {
  ENCRYPT_OPTIONS,
  EncryptionType,
  type EncryptOptions,
  type EncryptResult,
  encryptionType,
  rsaScheme,
} from './options.js';
import { encryptRsaBlock } from './rsa-block.js';

/**
 * Encrypts data to the TPM key in an attestation token, or to a public RSA key in JWK form from verified evidence. Runs
 * anywhere.
 *
 * The token is **not** verified here: verify it first (`verifyToken`), or the data may go to somebody else's key.
 *
 * @param data for {@link EncryptionType.None} 1 to 245 bytes with RSAES and to 214, 190, 158 or 126 with OAEP and SHA-1,
 * SHA-256 (the default), SHA-384 or SHA-512; any size for {@link EncryptionType.Envelope}. Used in place by other threads:
 * do not change or transfer its memory until the promise has settled.
 * @throws AttestationError 8 for a wrong argument, 22 or 23 for a token without a usable key, 24 for an unknown scheme
 * or hash, 25 for more data than one block takes
 */
export function encrypt(
  token: EncryptionTarget,
  data: Uint8Array,
  options: EncryptOptions = {},
): Promise<EncryptResult> {
  return observed('encrypt', async () => {
    const checked = checkOptions('encrypt', options, ENCRYPT_OPTIONS);
    try {
      if (encryptionType(checked) === EncryptionType.None) return encryptBlock(token, data, checked);
      return await encryptEnvelope(token, data, checked);
    } catch (error) {
      if (error instanceof AttestationError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new AttestationError(ErrorCode.EVP_PKEY_ENCRYPT_INIT_FAILED, message, { cause: error });
    }
  });
}

function encryptBlock(token: EncryptionTarget, data: Uint8Array, options: EncryptOptions): EncryptResult {
  if (!types.isUint8Array(data) || byteLength(data) === 0) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the data must be a non-empty Uint8Array');
  }
  const key = encryptionKeyOf(token);
  return {
    encryptedData: encryptRsaBlock(key, requireBytes(data, 'data'), rsaScheme(options)),
    encryptionMetadata: Buffer.alloc(0),
  };
}
