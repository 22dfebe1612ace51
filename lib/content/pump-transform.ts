import { Transform } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BATCH_BYTES, requirePiece } from './chunk-pump.js';
import { UnreadPieces } from './unread-pieces.js';

interface Pump {
  signal?: AbortSignal;
  update(piece: Uint8Array): Iterable<Buffer> | Promise<Iterable<Buffer>>;
  finish(): Iterable<Buffer> | Promise<Iterable<Buffer>>;
  close(): void;
  translate(error: unknown): unknown;
}

/**
 * A Transform around one direction. Its buffers are those of the stream; what does not fit waits, as the piece does. What is
 * in the queue when the stream is destroyed is zeroed.
 */
export function pumpTransform(pump: Pump): Transform {
  let unread: UnreadPieces | undefined;
  const push = (transform: Transform, result: Buffer): void => {
    unread ??= new UnreadPieces(transform);
    if (transform.destroyed) result.fill(0);
    else unread.push(result);
  };
  const run = async (transform: Transform, results: Iterable<Buffer> | Promise<Iterable<Buffer>>): Promise<void> => {
    let first = true;
    for (const result of await results) {
      // A piece of many batches gives the event loop a turn between them.
      if (!first) await nextTurn();
      first = false;
      push(transform, result);
      if (transform.destroyed) return;
    }
  };
  return new Transform({
    writableHighWaterMark: HIGH_WATER_MARK,
    readableHighWaterMark: HIGH_WATER_MARK,
    ...(pump.signal !== undefined && { signal: pump.signal }),
    transform(piece: unknown, _encoding, callback) {
      const fail = (error: unknown) => callback(pump.translate(error) as Error);
      let results: Iterable<Buffer> | Promise<Iterable<Buffer>> | undefined;
      try {
        const bytes = requirePiece(piece);
        results = pump.update(bytes);
        // One batch does without a promise, whose code is cold behind a MiB of content: a tenth of the whole.
        if (bytes.length <= BATCH_BYTES && !(results instanceof Promise)) {
          for (const result of results) push(this, result);
          results = undefined;
        }
      } catch (error) {
        fail(error);
        return;
      }
      if (results === undefined) callback();
      else run(this, results).then(() => callback(), fail);
    },
    flush(callback) {
      run(
        this,
        Promise.resolve().then(() => pump.finish()),
      ).then(
        () => callback(),
        (error: unknown) => callback(pump.translate(error) as Error),
      );
    },
    destroy(error, callback) {
      pump.close();
      unread?.zero();
      callback(error);
    },
  });
}

const HIGH_WATER_MARK = 1024 * 1024;
