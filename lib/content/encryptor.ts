import { types } from 'node:util';
import { byteLength } from '../base/bytes.js';
import { flag, integer } from '../base/option-kinds.js';
import { checkOptions, type OptionTable } from '../base/options.js';
import { type NativeSessionSealer, native } from '../native.js';
import type { EncryptionTarget } from '../token/ephemeral-key.js';
import { requireBulk, requireBytes } from './bytes.js';
import { closed, invalid, sealingError } from './errors.js';
import { wrapInputKey } from './input-key.js';
import { BOUND_BYTES, BULK_OPTIONS } from './options.js';
import { cut, PackedMessages, resultLengths } from './packed.js';
import { type BulkOptions, outputFor, threadsOf } from './seal.js';
import { MAX_SESSION_MESSAGES, SESSION_OVERHEAD, sessionInfo } from './session.js';
import { wrappingKeyOf } from './wrapping-key.js';

export interface EncryptorOptions {
  /**
   * The receiver opens the messages in the order in which they were encrypted only, and knows by {@link Encryptor.finish}
   * that none is missing at the end. By default any order opens.
   */
  ordered?: boolean;
  /** Both sides must give the same: bound into every message. */
  additionalData?: Uint8Array;
  /** Messages after which `encrypt` refuses. At most 2^48, which is the default. */
  messageLimit?: number;
}

const OPTIONS: OptionTable<EncryptorOptions> = {
  ordered: flag,
  additionalData: BOUND_BYTES,
  messageLimit: integer(1, MAX_SESSION_MESSAGES),
};

/**
 * One wrapped key, many messages at the speed of AES. Each message is its number (8 bytes), ciphertext and tag (16): 24
 * bytes longer than the plaintext. Format: docs/encryption.md, section "Sessions".
 *
 * Every method throws (or rejects with) AttestationError 8 for wrong arguments, after `close()`, and when the session's
 * limit is reached; 10 when memory is short.
 */
export class Encryptor implements Disposable {
  /** What the receiver needs besides the messages: a compact JWE in ASCII, about 700 bytes. No secret. */
  readonly metadata: Buffer;
  readonly ordered: boolean;
  #sealer: NativeSessionSealer | undefined;

  /** @internal */
  constructor(metadata: Buffer, ordered: boolean, sealer: NativeSessionSealer) {
    this.metadata = metadata;
    this.ordered = ordered;
    this.#sealer = sealer;
  }

  /** Bytes by which a message grows. */
  get overhead(): number {
    return SESSION_OVERHEAD;
  }

  /** Messages so far. */
  get sent(): number {
    return this.#native().sent;
  }

  /** Encrypts on the calling thread: for messages up to about 128 KiB. */
  encrypt(message: Uint8Array): Buffer {
    if (!types.isUint8Array(message)) throw invalid('message must be a Uint8Array');
    try {
      const output = Buffer.allocUnsafe(byteLength(message) + SESSION_OVERHEAD);
      this.#native().seal(message, output);
      return output;
    } catch (error) {
      throw sealingError(error);
    }
  }

  /**
   * Encrypts into `out`, which has at least 24 bytes more than the message and does not overlap it.
   *
   * @returns the bytes written
   */
  encryptInto(message: Uint8Array, out: Uint8Array): number {
    try {
      return this.#native().seal(message, out);
    } catch (error) {
      throw sealingError(error);
    }
  }

  /**
   * Encrypts off the calling thread, on all cores: for large messages. The message must not change meanwhile. Its number
   * is taken at the call, so that messages keep the order of the calls.
   */
  async encryptAsync(message: Uint8Array, options: BulkOptions = {}): Promise<Buffer> {
    const input = requireBulk(message, 'message');
    const bulk = checkOptions('encryptAsync', options, BULK_OPTIONS);
    try {
      const output = outputFor(input.length + SESSION_OVERHEAD, bulk.output);
      await this.#native().sealAsync(input, output, threadsOf(bulk));
      return output;
    } catch (error) {
      throw sealingError(error);
    }
  }

  /** Encrypts many messages in one call on all cores. The results are views of one buffer. */
  encryptMany(messages: readonly Uint8Array[]): Buffer[] {
    if (!Array.isArray(messages)) throw invalid('messages must be an array');
    // As they are now: nothing of the caller's runs while the native side reads the list.
    const list = Array.from(messages);
    let total = 0;
    const sizes = list.map((message: unknown) => {
      if (!types.isUint8Array(message)) throw invalid('every message must be a Uint8Array');
      const size = byteLength(message) + SESSION_OVERHEAD;
      total += size;
      return size;
    });
    try {
      const output = Buffer.allocUnsafeSlow(total);
      this.#native().sealMany(list, output);
      return cut(output, sizes);
    } catch (error) {
      throw sealingError(error);
    }
  }

  /**
   * Encrypts messages that lie back to back in `packed`, off the calling thread and on all cores. Neither `packed` nor
   * `lengths` may change meanwhile.
   *
   * @param lengths bytes of each message; their sum is the length of `packed`
   */
  async encryptPacked(
    packed: Uint8Array,
    lengths: Uint32Array | readonly number[],
    options: BulkOptions = {},
  ): Promise<PackedMessages> {
    const messages = requireBulk(packed, 'packed');
    const bulk = checkOptions('encryptPacked', options, BULK_OPTIONS);
    try {
      const { input, output, total } = resultLengths(lengths, SESSION_OVERHEAD);
      const results = outputFor(total, bulk.output);
      await this.#native().sealPacked(messages, input, results, threadsOf(bulk));
      return new PackedMessages(results, output);
    } catch (error) {
      throw sealingError(error);
    }
  }

  /** The last message of an ordered session, empty by default. The receiver that got it knows that it got all. */
  finish(message: Uint8Array = new Uint8Array()): Buffer {
    if (!this.ordered) throw invalid('only an ordered session has a last message');
    const last = requireBytes(message, 'message');
    try {
      const output = Buffer.allocUnsafe(last.length + SESSION_OVERHEAD);
      this.#native().seal(last, output, true);
      return output;
    } catch (error) {
      throw sealingError(error);
    }
  }

  /** Zeroes the key. Safe twice. */
  close(): void {
    this.#sealer?.destroy();
    this.#sealer = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #native(): NativeSessionSealer {
    if (this.#sealer === undefined) throw closed('encryptor');
    return this.#sealer;
  }
}

/**
 * Starts a session with the holder of the token's TPM key: one RSA operation on each side, then messages.
 *
 * @throws AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key
 */
export function createEncryptor(token: EncryptionTarget, options: EncryptorOptions = {}): Encryptor {
  const checked = checkOptions('createEncryptor', options, OPTIONS);
  const { ordered = false, additionalData, messageLimit = MAX_SESSION_MESSAGES } = checked;
  const { key, jwe } = wrapInputKey(wrappingKeyOf(token), 'session', { ordered });
  try {
    const sealer = new (native().SessionSealer)(key, sessionInfo(jwe, additionalData), messageLimit);
    return new Encryptor(Buffer.from(jwe, 'latin1'), ordered, sealer);
  } catch (error) {
    throw sealingError(error);
  } finally {
    key.destroy();
  }
}
