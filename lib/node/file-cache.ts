import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Cache } from '../base/cache.js';
import { text } from '../base/option-kinds.js';
import { checkArgument } from '../base/options.js';

/** `$XDG_CACHE_HOME/cvm-guest-attestation/NAME`, by default under `~/.cache`. */
export function defaultCacheDirectory(name: string): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'cvm-guest-attestation', name);
}

const MAXIMUM_FILE = 8 * 1024 * 1024;
const READABLE = /[^A-Za-z0-9.-]+/g;

/**
 * A cache in a folder, one file an entry, for processes of one machine. The folder is made, for this user only, when the
 * first entry is set; a reader sees an old file or a new one, never half of one. Files are not deleted when they end:
 * they are ignored, and overwritten when the entry is set again.
 *
 * @throws {AttestationError} 8 for anything but a path.
 */
export function fileCache(directory: string): Cache {
  const folder = checkArgument('fileCache', 'directory', directory, text);
  return {
    get: async (key) => {
      const bytes = await readBounded(join(folder, fileName(key)));
      if (bytes === undefined || bytes.length <= 8) return undefined;
      const end = Number(bytes.readBigUInt64BE(0));
      return end > Date.now() ? Uint8Array.from(bytes.subarray(8)) : undefined;
    },
    set: async (key, value, ttlMs) => {
      const end = Buffer.alloc(8);
      end.writeBigUInt64BE(BigInt(Math.min(Math.ceil(Date.now() + ttlMs), Number.MAX_SAFE_INTEGER)));
      const temporary = join(folder, `.${randomUUID()}.tmp`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(temporary, Buffer.concat([end, value]), { mode: 0o600, flag: 'wx' });
        await rename(temporary, join(folder, fileName(key)));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {});
        throw error;
      }
    },
  };
}

/** Readable, and different for every key. */
function fileName(key: string): string {
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return `${key.replace(READABLE, '-').slice(0, 160)}-${digest}`;
}

async function readBounded(path: string): Promise<Buffer | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size > MAXIMUM_FILE) return undefined;
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
