import { constants, type KeyObject, privateDecrypt } from 'node:crypto';
import { isBytes } from '../base/bytes.js';
import { RELEASE_ALGORITHMS, type ReleaseAlgorithm, type RsaDecrypt } from './algorithm.js';
import { NotUnwrapped } from './errors.js';
import { type Secret, secretOf, unwrapWith } from './secret.js';

/** Bytes of an AES-256 transport key. */
const TRANSPORT_KEY_BYTES = 32;
/** RFC 5649 section 3: a semiblock, and the least wrapped key. */
const SEMIBLOCK_BYTES = 8;
const LEAST_WRAPPED_BYTES = 16;

/** What is wrong with the length of a wrapped key, before anything is decrypted; undefined when nothing is. */
export function lengthProblem(ciphertext: Uint8Array, modulusBytes: number): string | undefined {
  const wrapped = ciphertext.length - modulusBytes;
  if (wrapped >= LEAST_WRAPPED_BYTES && wrapped % SEMIBLOCK_BYTES === 0) return undefined;
  return `${ciphertext.length} bytes are not a block of ${modulusBytes} and a wrapped key of whole semiblocks`;
}

/**
 * Unwraps a released key: RSA-OAEP of the transport key, then AES-256-KWP. The transport key is destroyed; the result is
 * the caller's to destroy.
 *
 * @throws NotUnwrapped, and whatever `decrypt` rejects with
 */
export async function unwrapReleased(
  ciphertext: Uint8Array,
  modulusBytes: number,
  algorithm: ReleaseAlgorithm,
  decrypt: DecryptTransportKey,
): Promise<Secret> {
  const problem = lengthProblem(ciphertext, modulusBytes);
  if (problem !== undefined) throw new NotUnwrapped(problem);
  const hash = RELEASE_ALGORITHMS[algorithm];
  const decrypted = await decrypt(ciphertext.subarray(0, modulusBytes), { type: 'None', scheme: 'RSA-OAEP', hash });
  const transportKey = isBytes(decrypted) ? secretOf(decrypted) : decrypted;
  if (transportKey.size !== TRANSPORT_KEY_BYTES) {
    transportKey.destroy();
    throw new NotUnwrapped('the transport key is not one of AES-256');
  }
  return unwrapWith(transportKey, ciphertext.subarray(modulusBytes));
}

/** {@link RsaDecrypt}, or the same into memory that JavaScript does not see. */
export type DecryptTransportKey = (...parameters: Parameters<RsaDecrypt>) => Promise<Uint8Array | Secret> | Uint8Array;

/** A private key in software in the place of a TPM's. What does not decrypt is {@link NotUnwrapped}. */
export function softwareDecrypt(privateKey: KeyObject): RsaDecrypt {
  return (block, { hash }) => {
    const oaepHash = hash.replace('-', '').toLowerCase();
    try {
      return privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, block);
    } catch {
      throw new NotUnwrapped('the block of the transport key does not decrypt');
    }
  };
}
