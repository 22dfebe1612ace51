import { randomFillSync } from 'node:crypto';
import { copyBytes } from '../base/bytes.js';
import { hasNative, type NativeContentKey, native } from '../native.js';
import { requireBulk } from './bytes.js';
import { invalid, openingError, sealingError } from './errors.js';
import { sealWithWebCrypto } from './jwe-encrypt.js';
import type { WrappingKey } from './wrapping-key.js';

export const IV_BYTES = 12;
export const TAG_BYTES = 16;

/**
 * Up to this many bytes are encrypted in one call on the calling thread; more go to the pool. Measured: 128 KiB take 38 µs,
 * a trip to the pool and back 40 to 90 µs, of which the calling thread spends 15 (docs/performance.md "Where work runs").
 */
const INLINE_LIMIT = 128 * 1024;

export interface BulkOptions {
  /**
   * Where the result is written: at least as long as it, and either the input's own memory or apart from it. Fresh memory
   * costs more than the encryption from 1 MiB on, so reuse one for the highest throughput.
   */
  output?: Uint8Array;
  /** Most cores to use; all by default. */
  threads?: number;
}

/** A content key wrapped for the receiver, and what it sealed. */
export interface Sealed {
  encryptedKey: Buffer;
  iv: Buffer;
  tag: Buffer;
  ciphertext: Buffer;
}

/** The same without the addon, so that a relying party can encrypt wherever Node runs. */
async function sealElsewhere(
  { jwk }: WrappingKey,
  aad: string,
  data: Uint8Array,
  options: BulkOptions,
): Promise<Sealed> {
  const output = outputFor(data.length, options.output);
  const { encryptedKey, iv, tag, ciphertext } = await sealWithWebCrypto(jwk, aad, copyBytes(data));
  output.set(ciphertext);
  return { encryptedKey: Buffer.from(encryptedKey), iv: Buffer.from(iv), tag: Buffer.from(tag), ciphertext: output };
}

/** Encrypts under a fresh content key: the only message of that key, so that any IV is unique. */
export async function sealMessage(
  wrapping: WrappingKey,
  aad: string,
  data: Uint8Array,
  options: BulkOptions = {},
): Promise<Sealed> {
  if (!hasNative()) return sealElsewhere(wrapping, aad, data, options);
  const key = new (native().ContentKey)();
  try {
    const iv = randomFillSync(Buffer.allocUnsafeSlow(IV_BYTES));
    const tag = Buffer.allocUnsafeSlow(TAG_BYTES);
    const ciphertext = outputFor(data.length, options.output);
    const bound = Buffer.from(aad, 'latin1');
    if (data.length <= INLINE_LIMIT) {
      key.seal(iv, bound, tag, data, ciphertext, 1);
      return { encryptedKey: key.wrap(wrapping.publicKey), iv, tag, ciphertext };
    }
    const sealing = key.sealAsync(iv, bound, tag, data, ciphertext, threadsOf(options));
    try {
      // Meanwhile: this thread would only wait.
      const encryptedKey = key.wrap(wrapping.publicKey);
      return { encryptedKey, iv, tag, ciphertext };
    } finally {
      // Whatever happened, nothing writes to the output any more once this has settled.
      await sealing;
    }
  } catch (error) {
    throw sealingError(error);
  } finally {
    key.destroy();
  }
}

/** Decrypts; on a wrong tag the output is zeroed. */
export async function openMessage(
  key: NativeContentKey,
  aad: string,
  message: { iv: Buffer; tag: Buffer; ciphertext: Uint8Array },
  options: BulkOptions = {},
): Promise<Buffer> {
  const { iv, tag, ciphertext } = message;
  try {
    const plaintext = outputFor(ciphertext.length, options.output);
    const bound = Buffer.from(aad, 'latin1');
    if (ciphertext.length <= INLINE_LIMIT) key.open(iv, bound, tag, ciphertext, plaintext, 1);
    else await key.openAsync(iv, bound, tag, ciphertext, plaintext, threadsOf(options));
    return plaintext;
  } catch (error) {
    throw openingError(error);
  }
}

export function threadsOf(options: BulkOptions): number | undefined {
  const { threads } = options;
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1)) {
    throw invalid('threads must be a positive integer');
  }
  return threads;
}

/** A Buffer of exactly `size` bytes: over the caller's memory, or new and never a part of Node's shared pool. */
export function outputFor(size: number, output: Uint8Array | undefined): Buffer {
  if (output === undefined) return Buffer.allocUnsafeSlow(size);
  const bytes = requireBulk(output, 'output');
  if (bytes.length < size) throw invalid(`output must have at least ${size} bytes`);
  return bytes.subarray(0, size);
}
