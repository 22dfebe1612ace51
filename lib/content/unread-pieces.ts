import type { Readable } from 'node:stream';

/** Knows what of the pieces pushed to a stream is still in its queue, to zero it when the stream is destroyed. */
export class UnreadPieces {
  readonly #stream: Readable;
  /** The newest pieces, at least those in the queue. */
  readonly #pieces: Buffer[] = [];
  #size = 0;
  /** A reader gave bytes back: the newest bytes pushed are not those in the queue any more. */
  #disturbed = false;

  constructor(stream: Readable) {
    this.#stream = stream;
    const unshift = stream.unshift.bind(stream);
    stream.unshift = (...args) => {
      this.#disturbed = true;
      unshift(...args);
    };
  }

  push(piece: Buffer): void {
    this.#stream.push(piece);
    if (this.#stream.readableEncoding !== null) {
      piece.fill(0); // It has become a string.
      return;
    }
    this.#pieces.push(piece);
    this.#size += piece.length;
    const unread = this.#stream.readableLength;
    for (let [oldest] = this.#pieces; oldest && this.#size - oldest.length >= unread; [oldest] = this.#pieces) {
      this.#size -= oldest.length;
      this.#pieces.shift();
    }
  }

  /** Zeroes what nobody has read. */
  zero(): void {
    if (this.#disturbed) return;
    for (let left = this.#stream.readableLength; left > 0; ) {
      const newest = this.#pieces.pop();
      if (newest === undefined) break;
      newest.fill(0, Math.max(newest.length - left, 0));
      left -= newest.length;
    }
  }
}
