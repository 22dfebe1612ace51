import { types } from 'node:util';
import { native } from '../native.js';
import { requireBytes } from './bytes.js';
import { invalid } from './errors.js';

/** What one native call takes at most: about 0.2 ms on two cores, so that the event loop is never held up for longer. */
export const BATCH_BYTES = 1024 * 1024;

/** The two directions of the chunked format look the same from here. */
interface Chunker {
  updateSize(inputSize: number): number;
  update(input: Uint8Array, output: Uint8Array): number;
  readonly finishSize: number;
  finish(output: Uint8Array): number;
  destroy(): void;
}

/** Largest slab: four batches of sealed chunks. It is also what a reader that keeps one small piece keeps alive at most. */
const SLAB_BYTES = 4 * 64 * (16 * 1024 + 16);

/**
 * One direction of one stream: hands its pieces to the native side and gives back what comes out.
 *
 * Results lie one behind the other in slabs of a few megabytes that only this stream uses. A new allocation for each would
 * be returned to the operating system each time, and its page faults would cost more than the encryption. They still are
 * for a slab that is new, so that huge pages are asked for.
 */
export class ChunkPump {
  readonly #chunker: Chunker;
  /** The reader's own memory, which takes one result after the other. */
  readonly #output: Buffer | undefined;
  #slab: Buffer = Buffer.alloc(0);
  #used = 0;

  constructor(chunker: Chunker, output?: Uint8Array) {
    this.#chunker = chunker;
    if (output !== undefined) this.#output = streamOutput(output);
  }

  /** Runs a piece of any size through and yields the results as they come. */
  *update(piece: Uint8Array): Generator<Buffer, void, undefined> {
    for (let at = 0; at < piece.length; at += BATCH_BYTES) {
      const input = piece.length <= BATCH_BYTES ? piece : piece.subarray(at, at + BATCH_BYTES);
      const output = this.#take(this.#chunker.updateSize(input.length));
      this.#chunker.update(input, output);
      if (output.length > 0) yield output;
    }
  }

  /** The last chunk, which may be empty. */
  finish(): Buffer {
    const output = this.#take(this.#chunker.finishSize);
    this.#chunker.finish(output);
    return output;
  }

  /** Zeroes the key. */
  close(): void {
    this.#chunker.destroy();
  }

  #take(size: number): Buffer {
    if (this.#output !== undefined) return this.#output.subarray(0, size);
    if (this.#used + size > this.#slab.length) {
      // Short streams get by with what they need.
      this.#slab = newSlab(Math.max(size, Math.min(SLAB_BYTES, this.#slab.length * 2)));
      this.#used = 0;
    }
    this.#used += size;
    return this.#slab.subarray(this.#used - size, this.#used);
  }
}

/** Bytes that `output` of a stream must have: the largest result of one piece, 1 MiB sealed and what an earlier one left. */
export const STREAM_OUTPUT_BYTES = 66 * (16 * 1024 + 16);

/** @throws AttestationError 8 */
function streamOutput(output: Uint8Array): Buffer {
  const bytes = requireBytes(output, 'output');
  if (bytes.length < STREAM_OUTPUT_BYTES) throw invalid(`output must have at least ${STREAM_OUTPUT_BYTES} bytes`);
  return bytes;
}

/**
 * Of huge pages where these fit. It is not made longer for one that starts where a huge page may: V8 counts such a slab as a
 * whole, and collects garbage, which costs more than the page faults at its ends, that much more often.
 */
function newSlab(size: number): Buffer {
  const slab = Buffer.allocUnsafeSlow(size);
  native().wantHugePages(slab);
  return slab;
}

/** @throws AttestationError 8 */
export function requireSource(source: unknown): void {
  const iterable = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  if (!iterable?.[Symbol.asyncIterator] && !iterable?.[Symbol.iterator]) {
    throw invalid('the source must be an iterable or async iterable of Uint8Arrays');
  }
}

/** @throws AttestationError 8 */
export function requirePiece(piece: unknown): Buffer {
  if (!types.isUint8Array(piece)) throw invalid('a stream must yield Uint8Arrays');
  return requireBytes(piece, 'a piece of a stream');
}
