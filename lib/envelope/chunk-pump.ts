import { types } from 'node:util';
import { invalid } from './errors.js';

/** What one native call takes at most: about 0.2 ms on two cores, so that the event loop is never held up for longer. */
const BATCH_BYTES = 1024 * 1024;

/** The two directions of the chunked format look the same from here. */
interface Chunker {
  updateSize(inputSize: number): number;
  update(input: Uint8Array, output: Uint8Array): number;
  readonly finishSize: number;
  finish(output: Uint8Array): number;
}

/** Runs a piece of any size through the native side and yields the results as they come. */
export function* pump(chunker: Chunker, piece: Uint8Array): Generator<Buffer, void, undefined> {
  for (let at = 0; at < piece.length; at += BATCH_BYTES) {
    const input = piece.length <= BATCH_BYTES ? piece : piece.subarray(at, at + BATCH_BYTES);
    const output = Buffer.allocUnsafeSlow(chunker.updateSize(input.length));
    chunker.update(input, output);
    if (output.length > 0) yield output;
  }
}

/** The last chunk. */
export function drain(chunker: Chunker): Buffer {
  const output = Buffer.allocUnsafeSlow(chunker.finishSize);
  chunker.finish(output);
  return output;
}

/** @throws AttestationError 8 */
export function requirePiece(piece: unknown): asserts piece is Uint8Array {
  if (!types.isUint8Array(piece)) throw invalid('a stream must yield Uint8Arrays');
}
