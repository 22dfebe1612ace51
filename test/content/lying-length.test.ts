import { describe, expect, it } from 'vitest';
import { createDecryptor } from '../../lib/content/decryptor.js';
import { createEncryptor } from '../../lib/content/encryptor.js';
import { decryptEnvelope, encryptEnvelope } from '../../lib/content/envelope.js';
import { decryptJwe, encryptJwe } from '../../lib/content/jwe.js';
import { openRandomAccess } from '../../lib/content/random-access.js';
import { decryptChunks } from '../../lib/content/stream-open.js';
import { encryptChunks } from '../../lib/content/stream-seal.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();

/** Bytes that say of their length, and of all that hangs on it, whatever one likes. */
function lying(genuine: Uint8Array, says: number): Uint8Array {
  class Liar extends Uint8Array {
    override subarray(): never {
      throw new Error('the caller’s own method was called');
    }
    override slice(): never {
      throw new Error('the caller’s own method was called');
    }
  }
  const liar = new Liar(genuine);
  for (const name of ['length', 'byteLength']) Object.defineProperty(liar, name, { get: () => says });
  Object.defineProperty(liar, 'byteOffset', { get: () => 0 });
  Object.defineProperty(liar, 'buffer', { get: () => new ArrayBuffer(1000) });
  return liar;
}

const SAYS = [0, 1, 5000, -1, 2 ** 40, Number.NaN];

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('a Uint8Array that lies about its length', () => {
  const data = pattern(100);

  it.each(SAYS)('cannot lengthen or shorten a message of a session: says %d', async (says) => {
    const message = lying(data, says);
    using encryptor = createEncryptor(key.token);
    using decryptor = await createDecryptor(lying(encryptor.metadata, says), key.unwrap);
    const open = (sealed: Uint8Array) => decryptor.decrypt(lying(sealed, says));
    expect(open(encryptor.encrypt(message))).toEqual(data);
    expect(open(await encryptor.encryptAsync(message))).toEqual(data);
    expect(await decryptor.decryptAsync(lying(encryptor.encrypt(message), says))).toEqual(data);
    const into = Buffer.alloc(200);
    expect(encryptor.encryptInto(message, into)).toBe(124);
    const many = encryptor.encryptMany([message, message]);
    expect(many.map((sealed) => sealed.length)).toEqual([124, 124]);
    expect(decryptor.decryptMany(many.map((sealed) => lying(sealed, says)))).toEqual([data, data]);
    const packed = await encryptor.encryptPacked(message, new Uint32Array([60, 40]));
    expect((await decryptor.decryptPacked(lying(packed.packed, says), packed.lengths)).packed).toEqual(data);
  });

  it.each(SAYS)('cannot lengthen or shorten an envelope, a JWE, a stream: says %d', async (says) => {
    const message = lying(data, says);
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, message, {
      additionalData: lying(Buffer.from('bound'), says),
    });
    expect(encryptedData.length).toBe(100);
    expect(JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString()).aad).toBe('Ym91bmQ');
    const opened = decryptEnvelope(lying(encryptedData, says), lying(encryptionMetadata, says), key.unwrap);
    expect(await opened).toEqual(data);
    expect(await decryptJwe(await encryptJwe(key.token, message), key.unwrap)).toEqual(data);
    const sealed = await collect(encryptChunks(key.token, [message]));
    expect(await collect(decryptChunks([lying(sealed, says)], key.unwrap))).toEqual(data);
  });

  it.each(SAYS)('cannot make an output longer than it is: says %d', async (says) => {
    const output = lying(Buffer.alloc(50), says);
    const refused = encryptEnvelope(key.token, data, { output });
    await expect(refused).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it('cannot give other lengths of packed messages than it has', async () => {
    const lengths = new Uint32Array([60, 40]);
    Object.defineProperty(lengths, 'length', { get: () => 1 });
    using encryptor = createEncryptor(key.token);
    const packed = await encryptor.encryptPacked(data, lengths);
    expect([...packed.lengths]).toEqual([84, 64]);
  });
});

describe('a source of openRandomAccess', () => {
  it.each([-1, 1e9, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '7', undefined])(
    'that says it read %s bytes is refused with 8',
    { timeout: 5000 },
    async (bytesRead) => {
      const sealed = await collect(encryptChunks(key.token, [pattern(100)]));
      for (const honestReads of [0, 1]) {
        let reads = 0;
        const source = {
          read: async (buffer: Uint8Array, offset: number, length: number, position: number) => {
            if (reads++ >= honestReads) return { bytesRead: bytesRead as number };
            return { bytesRead: sealed.copy(buffer, offset, position, position + length) };
          },
          stat: async () => ({ size: sealed.length }),
        };
        await expect(openRandomAccess(source, key.unwrap)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
      }
    },
  );

  it.each([-1, 1.5, Number.NaN, 2 ** 60, '100'])('that says it has %s bytes is refused with 8', async (size) => {
    const source = { read: async () => ({ bytesRead: 0 }), stat: async () => ({ size: size as number }) };
    await expect(openRandomAccess(source, key.unwrap)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });
});
