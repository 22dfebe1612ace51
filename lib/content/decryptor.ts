import { types } from 'node:util';
import { byteLength } from '../base/bytes.js';
import { checkOptions } from '../base/options.js';
import { type NativeSessionOpener, native } from '../native.js';
import { requireBulk, requireBytes } from './bytes.js';
import { closed, invalid, openingError, undecryptable } from './errors.js';
import { withInputKey } from './input-key.js';
import { BULK_OPTIONS } from './options.js';
import { cut, PackedMessages, resultLengths } from './packed.js';
import { type BulkOptions, outputFor, threadsOf } from './seal.js';
import { SESSION_OVERHEAD, sessionInfo } from './session.js';
import type { UnwrapKey, UnwrapOptions } from './unwrap.js';

export interface DecryptorOptions extends UnwrapOptions {
  /** What the sender gave. */
  additionalData?: Uint8Array;
  /** Refuses the session when it is not ordered (or is, for `false`). Either by default. */
  ordered?: boolean;
  /**
   * For sessions in any order: how many of the highest message numbers are remembered, so that none opens twice; what is
   * older does not open at all. 0, the default, remembers nothing: a repeated message opens again. At most 65536.
   */
  replayWindow?: number;
}

/** Longest metadata of a session. Ours has about 700 bytes. */
const MAX_METADATA = 8192;
const MAX_REPLAY_WINDOW = 65_536;

/**
 * Opens the messages of one session.
 *
 * Every method throws (or rejects with) AttestationError 26 for a message that is not genuine or not at its place, 8 for
 * wrong arguments and after `close()`, 10 when memory is short. An ordered session that refused a message refuses all
 * that follow.
 */
export class Decryptor implements Disposable {
  readonly ordered: boolean;
  #opener: NativeSessionOpener | undefined;
  /** Asynchronous calls of an ordered session, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @internal */
  constructor(ordered: boolean, opener: NativeSessionOpener) {
    this.ordered = ordered;
    this.#opener = opener;
  }

  /** Bytes by which a message is longer than its plaintext. */
  get overhead(): number {
    return SESSION_OVERHEAD;
  }

  /** Whether the last message of an ordered session was opened: nothing was cut off. */
  get finished(): boolean {
    return this.#native().finished;
  }

  /** Decrypts on the calling thread: for messages up to about 128 KiB. */
  decrypt(message: Uint8Array): Buffer {
    if (!types.isUint8Array(message)) throw invalid('message must be a Uint8Array');
    const size = byteLength(message) - SESSION_OVERHEAD;
    if (size < 0) throw tooShort(message);
    this.#refuseWhileWaiting();
    try {
      const output = Buffer.allocUnsafe(size);
      this.#native().open(message, output);
      return output;
    } catch (error) {
      throw openingError(error);
    }
  }

  /**
   * Decrypts into `out`, which has at least the message's length less 24 bytes and does not overlap it.
   *
   * @returns the bytes written
   */
  decryptInto(message: Uint8Array, out: Uint8Array): number {
    this.#refuseWhileWaiting();
    try {
      return this.#native().open(message, out);
    } catch (error) {
      throw openingError(error);
    }
  }

  /** Decrypts off the calling thread, on all cores: for large messages. The message must not change meanwhile. */
  async decryptAsync(message: Uint8Array, options: BulkOptions = {}): Promise<Buffer> {
    const bytes = requireBulk(message, 'message');
    const bulk = checkOptions('decryptAsync', options, BULK_OPTIONS);
    if (bytes.length < SESSION_OVERHEAD) throw undecryptable();
    return this.#inTurn(async (opener) => {
      const output = outputFor(bytes.length - SESSION_OVERHEAD, bulk.output);
      await opener.openAsync(bytes, output, threadsOf(bulk));
      return output;
    });
  }

  /** Decrypts many messages in one call on all cores, all or none. The results are views of one buffer. */
  decryptMany(messages: readonly Uint8Array[]): Buffer[] {
    if (!Array.isArray(messages)) throw invalid('messages must be an array');
    this.#refuseWhileWaiting();
    // As they are now: nothing of the caller's runs while the native side reads the list.
    const list = Array.from(messages);
    let total = 0;
    const sizes = list.map((message: unknown) => {
      if (!types.isUint8Array(message)) throw invalid('every message must be a Uint8Array');
      const size = byteLength(message) - SESSION_OVERHEAD;
      if (size < 0) throw tooShort(message);
      total += size;
      return size;
    });
    try {
      const output = Buffer.allocUnsafeSlow(total);
      this.#native().openMany(list, output);
      return cut(output, sizes);
    } catch (error) {
      throw openingError(error);
    }
  }

  /**
   * Decrypts messages that lie back to back in `packed`, all or none, off the calling thread and on all cores. Neither
   * `packed` nor `lengths` may change meanwhile.
   */
  async decryptPacked(
    packed: Uint8Array,
    lengths: Uint32Array | readonly number[],
    options: BulkOptions = {},
  ): Promise<PackedMessages> {
    const bytes = requireBulk(packed, 'packed');
    const bulk = checkOptions('decryptPacked', options, BULK_OPTIONS);
    const { input, output, total } = lengthsOf(lengths);
    return this.#inTurn(async (opener) => {
      const results = outputFor(total, bulk.output);
      await opener.openPacked(bytes, input, results, threadsOf(bulk));
      return new PackedMessages(results, output);
    });
  }

  /** Zeroes the key. Safe twice. */
  close(): void {
    this.#opener?.destroy();
    this.#opener = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #native(): NativeSessionOpener {
    if (this.#opener === undefined) throw closed('decryptor');
    return this.#opener;
  }

  /** In an ordered session the place of a message is known only when the one before it was opened. */
  async #inTurn<T>(open: (opener: NativeSessionOpener) => Promise<T>): Promise<T> {
    this.#native();
    const before = this.ordered ? this.#queue : undefined;
    const turn = (async () => {
      if (before !== undefined) await before;
      try {
        return await open(this.#native());
      } catch (error) {
        throw openingError(error);
      }
    })();
    if (!this.ordered) return turn;
    this.#waiting++;
    this.#queue = turn.then(
      () => {},
      () => {},
    );
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  #refuseWhileWaiting(): void {
    if (this.#waiting > 0) throw invalid('an asynchronous decryption of this ordered session has not ended yet');
  }
}

/** Not genuine, unless it is not a message at all. */
function tooShort(message: Uint8Array): unknown {
  requireBytes(message, 'message');
  return undecryptable();
}

function lengthsOf(lengths: Uint32Array | readonly number[]): ReturnType<typeof resultLengths> {
  try {
    return resultLengths(lengths, -SESSION_OVERHEAD);
  } catch (error) {
    throw openingError(error);
  }
}

/**
 * Unwraps the key of a session, once.
 *
 * @throws AttestationError 8 for metadata that is not a session's, 26 when the key does not open
 */
export async function createDecryptor(
  metadata: Uint8Array,
  unwrap: UnwrapKey,
  options: DecryptorOptions = {},
): Promise<Decryptor> {
  const metadataBytes = requireBytes(metadata, 'metadata');
  const { additionalData, ordered: expected, replayWindow = 0 } = options;
  if (additionalData !== undefined) requireBytes(additionalData, 'additionalData');
  if (!Number.isSafeInteger(replayWindow) || replayWindow < 0 || replayWindow > MAX_REPLAY_WINDOW) {
    throw invalid(`replayWindow must be an integer from 0 to ${MAX_REPLAY_WINDOW}`);
  }
  if (metadataBytes.length > MAX_METADATA) throw invalid('the metadata of the session is too long');
  const jwe = metadataBytes.toString('latin1');
  return withInputKey(jwe, 'session', unwrap, options, (key, { ordered }) => {
    if (expected !== undefined && ordered !== expected) {
      throw invalid(`the session is ${ordered ? '' : 'not '}ordered`);
    }
    const info = sessionInfo(jwe, additionalData);
    return new Decryptor(ordered, new (native().SessionOpener)(key, info, ordered, replayWindow));
  });
}
