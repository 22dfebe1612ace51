import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRandomAccess, type RandomAccessSource } from '../../lib/content/random-access.js';
import { encryptChunks } from '../../lib/content/stream-seal.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
const CHUNK = 16_384;
const data = pattern(100 * CHUNK + 123);
let folder: string;
let sealed: Buffer;
const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });

async function seal(plain: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of encryptChunks(key.token, [plain])) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A file in memory that notes what is read of it. */
function memory(bytes: Buffer): RandomAccessSource & { bytesRead: number } {
  return {
    bytesRead: 0,
    async read(buffer, offset, length, position) {
      // Short reads are allowed at any time.
      const count = Math.min(length, 30_000, Math.max(0, bytes.length - position));
      bytes.copy(buffer, offset, position, position + count);
      this.bytesRead += count;
      return { bytesRead: count };
    },
    async stat() {
      return { size: bytes.length };
    },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cga-random-access-'));
  sealed = await seal(data);
});
afterAll(() => rm(folder, { recursive: true }));

describe('random access', () => {
  it('reads any range of a sealed file', async () => {
    await writeFile(join(folder, 'sealed'), sealed);
    await using handle = await open(join(folder, 'sealed'));
    using file = await openRandomAccess(handle, key.unwrap);
    expect(file.size).toBe(data.length);
    const ranges = [
      [0, 0],
      [0, 1],
      [0, CHUNK],
      [CHUNK - 1, CHUNK + 1],
      [CHUNK, 2 * CHUNK],
      [5 * CHUNK + 3, 90 * CHUNK + 5],
      [100 * CHUNK, data.length],
      [data.length - 1, data.length],
      [0, data.length],
      [data.length, data.length + 5],
      [99 * CHUNK, 2 ** 50],
      [7, 3],
    ];
    for (const [start, end] of ranges as [number, number][]) {
      expect((await file.readRange(start, end)).equals(data.subarray(start, end)), `${start}–${end}`).toBe(true);
    }
    const buffer = Buffer.alloc(50, 7);
    expect(await file.read(buffer, 10, 20, data.length - 5)).toEqual({ bytesRead: 5, buffer });
    expect(buffer).toEqual(Buffer.concat([Buffer.alloc(10, 7), data.subarray(-5), Buffer.alloc(35, 7)]));
  });

  it.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])('a file of %i bytes', async (size) => {
    const file = await openRandomAccess(memory(await seal(pattern(size))), key.unwrap);
    expect(file.size).toBe(size);
    expect((await file.readRange(0)).equals(pattern(size))).toBe(true);
    file.close();
  });

  it('reads no more than the header, the last chunk, and the chunks asked for', async () => {
    const source = memory(sealed);
    const file = await openRandomAccess(source, key.unwrap);
    expect(source.bytesRead).toBeLessThan(9000);
    const before = source.bytesRead;
    await file.readRange(50 * CHUNK + 5, 50 * CHUNK + 6);
    expect(source.bytesRead - before).toBe(CHUNK + 16);
    file.close();
  });

  it('authenticates the length: a file that was cut or extended does not open', async () => {
    const chunk = CHUNK + 16;
    const start = 10 + sealed.readUInt16BE(8) + 56;
    const changed = [
      sealed.subarray(0, -1),
      sealed.subarray(0, start + 50 * chunk),
      sealed.subarray(0, start + 50 * chunk + 16),
      sealed.subarray(0, start + 50 * chunk + 100),
      sealed.subarray(0, start),
      Buffer.concat([sealed, Buffer.alloc(1)]),
      Buffer.concat([sealed, Buffer.alloc(chunk)]),
    ];
    for (const bytes of changed) {
      await expect(openRandomAccess(memory(bytes), key.unwrap)).rejects.toEqual(refused(26));
    }
    for (const size of [0, 5, start - 1]) {
      await expect(openRandomAccess(memory(sealed.subarray(0, size)), key.unwrap)).rejects.toEqual(refused(8));
    }
  });

  it('refuses a changed chunk when it is read, and zeroes what it wrote', async () => {
    const bytes = Buffer.from(sealed);
    const at = 10 + sealed.readUInt16BE(8) + 56 + 70 * (CHUNK + 16) + 5;
    bytes[at] = (bytes[at] as number) ^ 1;
    const file = await openRandomAccess(memory(bytes), key.unwrap);
    expect((await file.readRange(0, 70 * CHUNK)).equals(data.subarray(0, 70 * CHUNK))).toBe(true);
    const buffer = Buffer.alloc(data.length, 7);
    await expect(file.read(buffer)).rejects.toEqual(refused(26));
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    file.close();
  });

  it('refuses a file that becomes shorter while it is open', async () => {
    const source = memory(sealed);
    const file = await openRandomAccess(source, key.unwrap);
    source.read = async () => ({ bytesRead: 0 });
    await expect(file.readRange(0, 10)).rejects.toEqual(refused(26));
    file.close();
  });

  it('refuses wrong arguments and use after close()', async () => {
    const file = await openRandomAccess(memory(sealed), key.unwrap);
    for (const start of [-1, 0.5, Number.NaN, 2 ** 60]) {
      await expect(file.readRange(start)).rejects.toEqual(refused(8));
    }
    await expect(file.read(Buffer.alloc(5), 3, 3)).rejects.toEqual(refused(8));
    await expect(file.read(new Uint8Array(new SharedArrayBuffer(5)))).rejects.toEqual(refused(8));
    file.close();
    file.close();
    await expect(file.readRange(0, 1)).rejects.toEqual(refused(8));
    await expect(openRandomAccess(memory(sealed), softwareKey().unwrap)).rejects.toEqual(refused(26));
  });
});
