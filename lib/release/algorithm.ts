/**
 * How a released key is wrapped: RSA-OAEP of a fresh AES-256 key, then AES-KWP (RFC 5649) of the key. OAEP and MGF1 use
 * the same hash; `CKM_RSA_AES_KEY_WRAP` is SHA-1, and what the service takes when nothing is asked for.
 */
export const RELEASE_ALGORITHMS = {
  CKM_RSA_AES_KEY_WRAP: 'SHA-1',
  RSA_AES_KEY_WRAP_256: 'SHA-256',
  RSA_AES_KEY_WRAP_384: 'SHA-384',
} as const;

/** `enc` of a release request. */
export type ReleaseAlgorithm = keyof typeof RELEASE_ALGORITHMS;

export const DEFAULT_RELEASE_ALGORITHM: ReleaseAlgorithm = 'RSA_AES_KEY_WRAP_256';

/** What decrypts one RSA-OAEP block: `AttestationClient.decrypt` has this shape. */
export type RsaDecrypt = (
  block: Uint8Array,
  options: { type: 'None'; scheme: 'RSA-OAEP'; hash: (typeof RELEASE_ALGORITHMS)[ReleaseAlgorithm] },
) => Promise<Uint8Array> | Uint8Array;
