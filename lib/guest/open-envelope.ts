import { createDecipheriv } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type GuestEnvelope, TAG_BYTES } from '../maa/guest-envelope.js';

const ADDITIONAL_DATA = Buffer.from('Transport Key', 'ascii');
const CIPHERS = new Map([
  [16, 'aes-128-gcm'],
  [24, 'aes-192-gcm'],
  [32, 'aes-256-gcm'],
] as const) as ReadonlyMap<number, 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm'>;

/**
 * Opens an envelope with its inner key, of 16, 24 or 32 bytes. The caller zeroes the key.
 *
 * @throws AttestationError 14 when the key, the tag or the plaintext is not what it must be; which of them is not said.
 */
export function openGuestEnvelope(envelope: GuestEnvelope, innerKey: Uint8Array): string {
  const cipher = CIPHERS.get(innerKey.length);
  if (cipher === undefined) throw undecryptable();
  const decipher = createDecipheriv(cipher, innerKey, envelope.iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(ADDITIONAL_DATA);
  decipher.setAuthTag(envelope.tag);
  const head = decipher.update(envelope.ciphertext);
  try {
    decipher.final();
  } catch {
    head.fill(0);
    throw undecryptable();
  }
  const token = head.toString('latin1');
  head.fill(0);
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/.test(token)) throw undecryptable();
  return token;
}

const undecryptable = (): AttestationError =>
  new AttestationError(ErrorCode.JWT_DECRYPTION_FAILED, "the token in the service's answer cannot be decrypted");
