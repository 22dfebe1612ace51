import type { ReleasedKey } from '../../index.js';

/** Forms in which a released key is handed on: PEM and DER are PKCS#8, `raw` and `base64` the bytes of a symmetric key. */
export const KEY_FORMATS = ['pem', 'der', 'jwk', 'raw', 'base64'] as const;
export type KeyFormat = (typeof KEY_FORMATS)[number];

/**
 * The key in one form, in bytes for the caller to zero. Where PEM is asked of a symmetric key, which has none, it is base64.
 *
 * @throws AttestationError 8 for a form that the key does not have
 */
export function bytesOfKey(key: ReleasedKey, format: KeyFormat): Buffer {
  if (format === 'jwk') return Buffer.from(`${JSON.stringify(key.jwk())}\n`);
  if (format === 'raw') return Buffer.from(key.raw());
  if (format === 'base64' || key.keyType === 'oct') {
    const bytes = key.keyType === 'oct' ? key.raw() : key.pkcs8();
    return Buffer.from(bytes.toString('base64'));
  }
  if (format === 'der') return Buffer.from(key.pkcs8());
  return Buffer.from(key.keyObject.export({ type: 'pkcs8', format: 'pem' }).toString());
}
