import { concatBytes, utf8Bytes } from './bytes.js';
import { hmac } from './sha2.js';

/** HKDF-SHA-256 (RFC 5869) with an empty salt: 32 bytes, which is one block. */
export function hkdf32(secret: Uint8Array, info: string): Uint8Array<ArrayBuffer> {
  const pseudorandom = hmac('SHA-256', new Uint8Array(32), secret);
  return hmac('SHA-256', pseudorandom, concatBytes(utf8Bytes(info), Uint8Array.of(1)));
}
