import { open } from 'node:fs/promises';
import { throwIfAborted } from '../base/abort.js';

const CHUNK_BYTES = 64 * 1024;

/**
 * A whole file of at most `limit` bytes. Files of securityfs have no size of their own, so it is read until it ends.
 *
 * @throws RangeError when the file is longer; what `node:fs` throws when it cannot be read.
 */
export async function readBounded(path: string, limit: number, signal?: AbortSignal): Promise<Buffer> {
  throwIfAborted(signal);
  const file = await open(path, 'r');
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for (;;) {
      throwIfAborted(signal);
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return Buffer.concat(chunks, size);
      size += bytesRead;
      if (size > limit) throw new RangeError(`${path} is longer than ${limit} bytes`);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
