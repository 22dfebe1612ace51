import type { Transform } from 'node:stream';
import { throwIfAborted } from '../base/abort.js';
import { ChunkPump, requirePiece, requireSource } from './chunk-pump.js';
import { invalid, openingError } from './errors.js';
import { pumpTransform } from './pump-transform.js';
import { openStream, type StreamDecryptOptions, type StreamOutputOption, streamHeaderBytes } from './stream-header.js';
import type { UnwrapKey } from './unwrap.js';

/** One sealed stream on its way in: collects the header, unwraps the key, then decrypts. */
class StreamOpener {
  readonly #unwrap: UnwrapKey;
  readonly #options: StreamDecryptOptions & StreamOutputOption;
  #header = Buffer.alloc(0);
  #pump: ChunkPump | undefined;
  #closed = false;

  constructor(unwrap: UnwrapKey, options: StreamDecryptOptions & StreamOutputOption) {
    this.#unwrap = unwrap;
    this.#options = options;
  }

  update(piece: Uint8Array): Iterable<Buffer> | Promise<Iterable<Buffer>> {
    return this.#pump === undefined ? this.#begin(piece) : this.#pump.update(piece);
  }

  finish(): Buffer {
    if (this.#pump === undefined) throw invalid('the sealed stream ends within its header');
    return this.#pump.finish();
  }

  close(): void {
    this.#closed = true;
    this.#pump?.close();
  }

  async #begin(piece: Uint8Array): Promise<Iterable<Buffer>> {
    const start = this.#header.length === 0 ? piece : Buffer.concat([this.#header, piece]);
    const size = streamHeaderBytes(start);
    if (size === undefined || start.length < size) {
      this.#header = Buffer.from(start);
      return [];
    }
    const opener = await openStream(start.subarray(0, size), this.#unwrap, this.#options);
    if (this.#closed) {
      opener.destroy();
      return [];
    }
    this.#pump = new ChunkPump(opener, this.#options.output);
    this.#header = Buffer.alloc(0);
    return this.#pump.update(start.subarray(size));
  }
}

/**
 * Decrypts a sealed stream in constant memory. A chunk's plaintext is yielded only after its own tag was right, and the
 * generator ends normally only when the stream was whole: what came before an error is genuine, but not all.
 *
 * Rejects with AttestationError 8 for what is not a sealed stream, 26 for everything else.
 */
export async function* decryptChunks(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  unwrap: UnwrapKey,
  options: StreamDecryptOptions & StreamOutputOption = {},
): AsyncGenerator<Buffer, void, undefined> {
  requireSource(source);
  throwIfAborted(options.signal);
  const opener = new StreamOpener(unwrap, options);
  try {
    for await (const piece of source) {
      throwIfAborted(options.signal);
      yield* await opener.update(requirePiece(piece));
    }
    const last = opener.finish();
    if (last.length > 0) yield last;
  } catch (error) {
    throw openingError(error);
  } finally {
    opener.close();
  }
}

/** {@link decryptChunks} as a Node Transform. Its errors are the stream's `error` event. */
export function createDecryptStream(unwrap: UnwrapKey, options: StreamDecryptOptions = {}): Transform {
  const opener = new StreamOpener(unwrap, options);
  return pumpTransform({
    update: (piece) => opener.update(piece),
    finish: () => {
      const last = opener.finish();
      return last.length > 0 ? [last] : [];
    },
    close: () => opener.close(),
    ...(options.signal !== undefined && { signal: options.signal }),
    translate: openingError,
  });
}
