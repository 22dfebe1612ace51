import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { RsaPublicJwk } from '../token/ephemeral-key.js';
import type { RsaDecryptScheme } from '../tpm/types.js';

const DIGESTS = {
  'SHA-1': { name: 'sha1', bytes: 20 },
  'SHA-256': { name: 'sha256', bytes: 32 },
  'SHA-384': { name: 'sha384', bytes: 48 },
  'SHA-512': { name: 'sha512', bytes: 64 },
} as const;

/** Most bytes that one block takes: 245 with RSAES and 214/190/158/126 with OAEP, for a key of 256 bytes (RFC 8017). */
function maxPlaintextBytes(modulusBytes: number, scheme: RsaDecryptScheme): number {
  return scheme.scheme === 'RSAES' ? modulusBytes - 11 : modulusBytes - 2 * DIGESTS[scheme.hash].bytes - 2;
}

/**
 * One RSA block as the reference library makes it: RSAES-PKCS1-v1_5, or OAEP with the same hash for label and MGF1 and
 * an empty label, which is also the TPM's.
 *
 * @throws AttestationError 25 when `data` is longer than {@link maxPlaintextBytes}.
 */
export function encryptRsaBlock(
  key: { jwk: RsaPublicJwk; modulusBytes: number },
  data: Uint8Array,
  scheme: RsaDecryptScheme,
): Buffer {
  const limit = maxPlaintextBytes(key.modulusBytes, scheme);
  if (data.length > limit) {
    const name = scheme.scheme === 'RSAES' ? 'RSAES' : `RSA-OAEP with ${scheme.hash}`;
    throw new AttestationError(
      ErrorCode.EVP_PKEY_ENCRYPT_FAILED,
      `${data.length} bytes are too many for one block of ${name}, which takes ${limit}: use EncryptionType.Envelope`,
    );
  }
  try {
    const keyObject = createPublicKey({ format: 'jwk', key: { ...key.jwk } });
    return scheme.scheme === 'RSAES'
      ? publicEncrypt({ key: keyObject, padding: constants.RSA_PKCS1_PADDING }, data)
      : publicEncrypt(
          { key: keyObject, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: DIGESTS[scheme.hash].name },
          data,
        );
  } catch (cause) {
    throw new AttestationError(ErrorCode.EVP_PKEY_ENCRYPT_FAILED, 'the RSA encryption failed', { cause });
  }
}
