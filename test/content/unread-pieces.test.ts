import { once } from 'node:events';
import { expect, it } from 'vitest';
import { createDecryptStream } from '../../lib/content/stream-open.js';
import { encryptChunks } from '../../lib/content/stream-seal.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
const plaintext = pattern(80_000);

async function sealedStream(): Promise<Buffer> {
  const sealed: Buffer[] = [];
  for await (const piece of encryptChunks(key.token, [plaintext])) sealed.push(piece);
  return Buffer.concat(sealed);
}

async function decryptStream(): Promise<ReturnType<typeof createDecryptStream>> {
  const stream = createDecryptStream(key.unwrap);
  stream.write(await sealedStream());
  await expect.poll(() => stream.readableLength).toBeGreaterThan(60_000);
  return stream;
}

/** The memory of a piece is the stream's slab, in which the other pieces lie as well. */
const slabOf = (piece: Buffer): Buffer => Buffer.from(piece.buffer);

it('a destroyed stream zeroes what nobody has read, and leaves alone what was read', async () => {
  const stream = await decryptStream();
  const read = stream.read(10_000) as Buffer;
  const unread = plaintext.subarray(10_000, 16_000);
  expect(slabOf(read).includes(unread)).toBe(true);
  stream.destroy();
  await once(stream, 'close');
  expect(slabOf(read).includes(unread)).toBe(false);
  expect(read).toEqual(plaintext.subarray(0, 10_000));
});

it('a reader that gave bytes back keeps what it has', async () => {
  const stream = await decryptStream();
  const read = stream.read(65_536) as Buffer;
  stream.unshift(Buffer.from(read));
  stream.destroy();
  await once(stream, 'close');
  expect(read.equals(plaintext.subarray(0, 65_536))).toBe(true);
});

it.each([
  ['as bytes', undefined],
  ['as text', 'latin1'],
] as const)('what is read %s', async (_, encoding) => {
  const CHUNK = 16_384;
  const sealed = await sealedStream();
  const stream = createDecryptStream(key.unwrap);
  const chunks = sealed.length - plaintext.length - 5 * 16;
  const pieceOf = async (from: number, to: number): Promise<Buffer | string> => {
    stream.write(sealed.subarray(from, to));
    const [piece] = (await once(stream, 'data')) as [Buffer | string];
    return piece;
  };
  await pieceOf(0, chunks + CHUNK + 16);
  // The next two lie in one slab.
  const second = (await pieceOf(chunks + CHUNK + 16, chunks + 2 * (CHUNK + 16))) as Buffer;
  if (encoding) stream.setEncoding(encoding);
  const third = await pieceOf(chunks + 2 * (CHUNK + 16), chunks + 3 * (CHUNK + 16));
  expect(Buffer.from(third as string, 'latin1').equals(plaintext.subarray(2 * CHUNK, 3 * CHUNK))).toBe(true);
  // A string cannot be zeroed by who got it, and the bytes behind it are nobody's any more.
  expect(slabOf(second).includes(plaintext.subarray(2 * CHUNK, 3 * CHUNK))).toBe(encoding === undefined);
  stream.destroy();
});
