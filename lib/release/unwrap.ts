import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto';
import { RELEASE_ALGORITHMS, type ReleaseAlgorithm, type RsaDecrypt } from './algorithm.js';

/** Bytes of an AES-256 transport key. */
const TRANSPORT_KEY_BYTES = 32;
/** RFC 5649 section 3: a semiblock, and the least wrapped key. */
const SEMIBLOCK_BYTES = 8;
const LEAST_WRAPPED_BYTES = 16;
/** RFC 5649 section 3: constant part of the alternative initial value. */
const KWP_INITIAL_VALUE = Buffer.from('a65959a6', 'hex');

/** What is wrong with the length of a wrapped key, before anything is decrypted; undefined when nothing is. */
export function lengthProblem(ciphertext: Uint8Array, modulusBytes: number): string | undefined {
  const wrapped = ciphertext.length - modulusBytes;
  if (wrapped >= LEAST_WRAPPED_BYTES && wrapped % SEMIBLOCK_BYTES === 0) return undefined;
  return `${ciphertext.length} bytes are not a block of ${modulusBytes} and a wrapped key of whole semiblocks`;
}

/** The private key did its work and the block, or what it wraps, is not what it must be. */
export class NotUnwrapped extends Error {
  override readonly name = 'NotUnwrapped';
}

/**
 * Unwraps a released key: RSA-OAEP of the transport key, then AES-256-KWP. The transport key is zeroed; the result is the
 * caller's to zero.
 *
 * @throws NotUnwrapped, and whatever `decrypt` rejects with
 */
export async function unwrapReleased(
  ciphertext: Uint8Array,
  modulusBytes: number,
  algorithm: ReleaseAlgorithm,
  decrypt: RsaDecrypt,
): Promise<Buffer> {
  const problem = lengthProblem(ciphertext, modulusBytes);
  if (problem !== undefined) throw new NotUnwrapped(problem);
  const hash = RELEASE_ALGORITHMS[algorithm];
  const transportKey = await decrypt(ciphertext.subarray(0, modulusBytes), { type: 'None', scheme: 'RSA-OAEP', hash });
  try {
    if (transportKey.length !== TRANSPORT_KEY_BYTES) throw new NotUnwrapped('the transport key is not one of AES-256');
    return unwrapWithPadding(transportKey, ciphertext.subarray(modulusBytes));
  } finally {
    transportKey.fill(0);
  }
}

/** AES-256-KWP (RFC 5649). @throws NotUnwrapped */
function unwrapWithPadding(key: Uint8Array, wrapped: Uint8Array): Buffer {
  let padded: Buffer | undefined;
  try {
    const decipher = createDecipheriv('id-aes256-wrap-pad', key, KWP_INITIAL_VALUE);
    padded = decipher.update(wrapped);
    decipher.final();
    // A buffer of its own, with nothing of the pool around it.
    const plain = Buffer.allocUnsafeSlow(padded.length);
    padded.copy(plain);
    return plain;
  } catch {
    throw new NotUnwrapped('the wrapped key does not open with the transport key');
  } finally {
    padded?.fill(0);
  }
}

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
