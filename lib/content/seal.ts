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

/** A content key wrapped for the receiver, and the IV of what it seals. */
export interface Wrapped {
  encryptedKey: Buffer;
  iv: Buffer;
}

/** The same, and what was sealed. */
export interface Sealed<Text> {
  tag: Buffer;
  ciphertext: Buffer;
  /** What was written of it. */
  text: Text;
}

/** The same without the addon, so that a relying party can encrypt wherever Node runs. */
async function sealElsewhere<Text>(
  { jwk }: WrappingKey,
  aad: Buffer,
  data: Uint8Array,
  write: (wrapped: Wrapped) => Text,
  options: BulkOptions,
): Promise<Sealed<Text>> {
  const output = outputFor(data.length, options.output);
  const { encryptedKey, iv, tag, ciphertext } = await sealWithWebCrypto(jwk, aad.toString('latin1'), copyBytes(data));
  output.set(ciphertext);
  const text = write({ encryptedKey: Buffer.from(encryptedKey), iv: Buffer.from(iv) });
  return { tag: Buffer.from(tag), ciphertext: output, text };
}

/**
 * Encrypts under a fresh content key: the only message of that key, so that any IV is unique.
 *
 * A message of many megabytes leaves nothing of this program in the processor's caches: what is done once for it costs ten
 * times as much beside it as it does in a loop, and what must be done before the cores have work costs as much again on each.
 *
 * @param aad ASCII
 * @param write makes of the wrapped key what is sent along, while the cores are at work
 */
export async function sealMessage<Text>(
  wrapping: WrappingKey,
  aad: Buffer,
  data: Uint8Array,
  write: (wrapped: Wrapped) => Text,
  options: BulkOptions = {},
): Promise<Sealed<Text>> {
  if (!hasNative()) return sealElsewhere(wrapping, aad, data, write, options);
  const { ContentKey, fillRandomly } = native();
  const key = new ContentKey();
  try {
    const iv = Buffer.allocUnsafeSlow(IV_BYTES);
    fillRandomly(iv);
    const tag = Buffer.allocUnsafeSlow(TAG_BYTES);
    const ciphertext = outputFor(data.length, options.output);
    if (data.length <= INLINE_LIMIT) {
      key.seal(iv, aad, tag, data, ciphertext, 1);
      return { tag, ciphertext, text: write({ encryptedKey: key.wrap(wrapping.publicKey), iv }) };
    }
    const sealing = key.sealAsync(iv, aad, tag, data, ciphertext, threadsOf(options));
    try {
      // Meanwhile: this thread would only wait.
      return { tag, ciphertext, text: write({ encryptedKey: key.wrap(wrapping.publicKey), iv }) };
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
