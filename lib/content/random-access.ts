import type { NativeChunkOpener } from '../native.js';
import { requireBytes } from './bytes.js';
import { closed, invalid, openingError, undecryptable } from './errors.js';
import { outputFor } from './seal.js';
import { MAX_HEADER_BYTES, openStream, type StreamDecryptOptions, streamHeaderBytes } from './stream-header.js';
import type { UnwrapKey } from './unwrap.js';

const CHUNK = 16 * 1024;
const SEALED_CHUNK = CHUNK + 16;
/** Chunks read and decrypted at a time: 1 MiB. */
const BATCH = 64;

/** What is read from: a `FileHandle` of node:fs/promises, or anything that reads at a position. */
export interface RandomAccessSource {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{
    /** Fewer than asked for only at the end. */
    bytesRead: number;
  }>;
  stat(): Promise<{ size: number }>;
}

/**
 * A sealed stream in a file, read at any position. Every byte returned was authenticated, and so was `size`. The source
 * stays the caller's to close.
 *
 * Methods reject with AttestationError 26 when what is read is not genuine, 8 for wrong arguments and after `close()`.
 */
export class SealedFile implements Disposable {
  /** Bytes of plaintext. */
  readonly size: number;
  readonly #source: RandomAccessSource;
  readonly #start: number;
  readonly #end: number;
  #opener: NativeChunkOpener | undefined;

  /** @internal */
  constructor(
    source: RandomAccessSource,
    opener: NativeChunkOpener,
    layout: { start: number; end: number; size: number },
  ) {
    this.#source = source;
    this.#opener = opener;
    this.#start = layout.start;
    this.#end = layout.end;
    this.size = layout.size;
  }

  /** Plaintext from `start` up to, not including, `end`; both are cut to the size. */
  async readRange(start: number, end: number = this.size): Promise<Buffer> {
    const [from, to] = [position(start, 'start'), position(end, 'end')];
    const length = Math.max(0, Math.min(to, this.size) - from);
    try {
      const output = outputFor(length, undefined);
      await this.read(output, 0, length, from);
      return output;
    } catch (error) {
      throw openingError(error);
    }
  }

  /**
   * Fills `buffer` from `offset` with up to `length` bytes of plaintext from `position` on, fewer only at the end. On a
   * rejection the part written is zeroed.
   */
  async read(
    buffer: Uint8Array,
    offset = 0,
    length?: number,
    at = 0,
  ): Promise<{ bytesRead: number; buffer: Uint8Array }> {
    const target = requireBytes(buffer, 'buffer');
    position(offset, 'offset');
    length ??= target.length - offset;
    position(length, 'length');
    position(at, 'position');
    if (offset + length > target.length) throw invalid('the buffer is too short');
    const wanted = Math.max(0, Math.min(length, this.size - at));
    const output = target.subarray(offset, offset + wanted);
    try {
      for (let done = 0; done < wanted; ) {
        const from = at + done;
        const first = Math.floor(from / CHUNK);
        const chunks = Math.min(BATCH, Math.floor((at + wanted - 1) / CHUNK) - first + 1);
        const plain = await this.#openChunks(first, chunks);
        const part = plain.subarray(from - first * CHUNK, from - first * CHUNK + wanted - done);
        part.copy(output, done);
        plain.fill(0);
        done += part.length;
      }
    } catch (error) {
      output.fill(0);
      throw openingError(error);
    }
    return { bytesRead: wanted, buffer };
  }

  /** Zeroes the key. Safe twice. */
  close(): void {
    this.#opener?.destroy();
    this.#opener = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #openChunks(first: number, count: number): Promise<Buffer> {
    if (this.#opener === undefined) throw closed('sealed file');
    const from = this.#start + first * SEALED_CHUNK;
    const sealed = await readFully(this.#source, from, Math.min(from + count * SEALED_CHUNK, this.#end) - from);
    if (this.#opener === undefined) throw closed('sealed file');
    const plain = Buffer.allocUnsafeSlow(sealed.length - Math.ceil(sealed.length / SEALED_CHUNK) * 16);
    this.#opener.openAt(first, sealed, plain);
    return plain;
  }
}

/**
 * Opens a file that {@link createEncryptStream} made, for reading at any position without reading the rest. Unwraps the
 * key and authenticates the length, for which it reads the header and the last chunk.
 *
 * @throws AttestationError 8 for what is not a sealed stream, 26 when it is not genuine or was cut off
 */
export async function openRandomAccess(
  source: RandomAccessSource,
  unwrap: UnwrapKey,
  options: StreamDecryptOptions = {},
): Promise<SealedFile> {
  if (typeof source?.read !== 'function' || typeof source.stat !== 'function') {
    throw invalid('the source must have the methods read and stat, as the FileHandle of node:fs/promises has');
  }
  const { size: end } = await source.stat();
  position(end, 'the size of the source');
  const beginning = await readFully(source, 0, Math.min(end, MAX_HEADER_BYTES));
  const start = streamHeaderBytes(beginning);
  if (start === undefined || beginning.length < start) throw invalid('the sealed stream ends within its header');
  const opener = await openStream(beginning.subarray(0, start), unwrap, options);
  return sealedFile(source, opener, start, end);
}

/**
 * A chunked ciphertext whose first chunk begins at `start` and which ends at `end`. Takes the opener over.
 *
 * @internal
 */
export async function sealedFile(
  source: RandomAccessSource,
  opener: NativeChunkOpener,
  start: number,
  end: number,
): Promise<SealedFile> {
  try {
    const chunks = Math.floor((end - start) / SEALED_CHUNK);
    const lastBytes = (end - start) % SEALED_CHUNK;
    // The last chunk is shorter than the others, and there always is one.
    if (lastBytes < 16) throw undecryptable();
    const last = await readFully(source, end - lastBytes, lastBytes);
    // For its tag, which tells the length. Nobody has asked for its plaintext.
    const plain = Buffer.allocUnsafeSlow(lastBytes - 16);
    opener.openAt(chunks, last, plain);
    plain.fill(0);
    return new SealedFile(source, opener, { start, end, size: chunks * CHUNK + lastBytes - 16 });
  } catch (error) {
    opener.destroy();
    throw openingError(error);
  }
}

async function readFully(source: RandomAccessSource, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await source.read(buffer, done, length - done, from + done);
    // The file became shorter after it was opened.
    if (bytesRead === 0) throw undecryptable();
    // Else the loop would not end, or memory that nobody has written would be taken for what was read.
    if (!Number.isSafeInteger(bytesRead) || bytesRead < 0 || bytesRead > length - done) {
      throw invalid(`the source says that it read ${String(bytesRead)} of ${length - done} bytes`);
    }
    done += bytesRead;
  }
  return buffer;
}

function position(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} must be an integer of at least 0`);
  return value;
}
