import { describe, expect, it } from 'vitest';
import { STREAM_OUTPUT_BYTES } from '../../lib/content/chunk-pump.js';
import { decryptChunks } from '../../lib/content/stream-open.js';
import { createEncryptStream, encryptChunks } from '../../lib/content/stream-seal.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // A copy of each: the next one lies in the same memory.
  for await (const piece of source) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe('a stream into the reader’s own memory', () => {
  it.each([0, 1, 16_384, 100_000, 1_048_576, 5_000_001])('carries %i bytes both ways', async (size) => {
    const data = pattern(size);
    for (const pieceSize of [1000, 1 << 20, 3_000_000]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < size; at += pieceSize) pieces.push(data.subarray(at, at + pieceSize));
      const output = new Uint8Array(STREAM_OUTPUT_BYTES);
      const sealed = await collect(encryptChunks(key.token, pieces, { output }));
      expect((await collect(decryptChunks([sealed], key.unwrap, { output }))).equals(data)).toBe(true);
      expect((await collect(decryptChunks([sealed], key.unwrap))).equals(data)).toBe(true);
    }
  });

  it('uses that memory and no other', async () => {
    const output = new Uint8Array(STREAM_OUTPUT_BYTES + 10);
    let pieces = 0;
    for await (const piece of encryptChunks(key.token, [pattern(3_000_000)], { output })) {
      // The first piece is the header, which is there before.
      if (pieces++ > 0) expect([piece.buffer, piece.byteOffset]).toEqual([output.buffer, 0]);
    }
    expect(pieces).toBe(5);
  });

  it.each([
    ['too short', new Uint8Array(STREAM_OUTPUT_BYTES - 1)],
    ['shared', new Uint8Array(new SharedArrayBuffer(STREAM_OUTPUT_BYTES))],
    ['no bytes', 'text' as unknown as Uint8Array],
  ])('refuses memory that is %s', async (_name, output) => {
    const refused = expect.objectContaining({ name: 'AttestationError', code: 8 });
    await expect(collect(encryptChunks(key.token, [], { output }))).rejects.toEqual(refused);
  });
});

describe('options of content encryption', () => {
  const refused = expect.objectContaining({ name: 'AttestationError', code: 8 });
  it.each([
    [{ additonalData: new Uint8Array(1) }],
    [{ additionalData: undefined }],
    [Object.create({ additionalData: new Uint8Array(1) })],
    [new Map([['additionalData', new Uint8Array(1)]])],
  ])('of a stream that are misspelt, lost or not the object’s own are refused: %s', async (options) => {
    expect(() => createEncryptStream(key.token, options as never)).toThrow(refused);
    await expect(collect(encryptChunks(key.token, [], options as never))).rejects.toEqual(refused);
  });
});
