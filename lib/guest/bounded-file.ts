import { open } from 'node:fs/promises';
import { throwIfAborted } from '../base/abort.js';

const FIRST_BYTES = 16 * 1024;

/**
 * A whole file of at most `limit` bytes. Files of securityfs have no size of their own and give a page at a time, so it is
 * read until it ends, into one buffer that grows.
 *
 * @throws RangeError when the file is longer; what `node:fs` throws when it cannot be read.
 */
export async function readBounded(path: string, limit: number, signal?: AbortSignal): Promise<Buffer> {
  throwIfAborted(signal);
  const file = await open(path, 'r');
  try {
    let buffer = Buffer.allocUnsafe(FIRST_BYTES);
    for (let size = 0; ; ) {
      throwIfAborted(signal);
      const { bytesRead } = await file.read(buffer, size, buffer.length - size, null);
      if (bytesRead === 0) return buffer.subarray(0, size);
      size += bytesRead;
      if (size > limit) throw new RangeError(`${path} is longer than ${limit} bytes`);
      if (size === buffer.length) buffer = Buffer.concat([buffer], 2 * size);
    }
  } finally {
    await file.close();
  }
}
