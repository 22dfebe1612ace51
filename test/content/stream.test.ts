import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { Duplex, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { describe, expect, it } from 'vitest';
import { encryptJwe } from '../../lib/content/jwe.js';
import { createDecryptStream, decryptChunks } from '../../lib/content/stream-open.js';
import { createEncryptStream, encryptChunks } from '../../lib/content/stream-seal.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
const CHUNK = 16_384;
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 7, 2_500_000];
const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}
function* cut(data: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}
const seal = (data: Buffer, piece = 1 << 20) => collect(encryptChunks(key.token, cut(data, piece)));
const open = (sealed: Buffer, piece = 1 << 20) => collect(decryptChunks(cut(sealed, piece), key.unwrap));
const webPair = (stream: Duplex) =>
  Duplex.toWeb(stream) as { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> };
const headerBytes = (sealed: Buffer) => 10 + sealed.readUInt16BE(8);

describe('a sealed stream', () => {
  it.each(SIZES)('round trip of %i bytes in pieces of any size', async (size) => {
    const data = pattern(size);
    for (const piece of [size < 100_000 ? 61 : 7001, CHUNK, 65_536, 3_000_000]) {
      const sealed = await seal(data, piece);
      const chunks = Math.floor(size / CHUNK) + 1;
      expect(sealed).toHaveLength(headerBytes(sealed) + 56 + size + chunks * 16);
      expect((await open(sealed, piece + 1)).equals(data)).toBe(true);
    }
  });

  it('has the documented format', async () => {
    const data = pattern(40_000);
    const sealed = await seal(data);
    expect(sealed.subarray(0, 8)).toEqual(Buffer.from('CVMSEAL\x01', 'latin1'));
    const header = sealed.subarray(0, headerBytes(sealed));
    const jwe = await compactDecrypt(header.subarray(10).toString(), key.privateKey);
    expect(jwe.protectedHeader.typ).toBe('cvm-stream+jwe');
    const salt = sealed.subarray(header.length, header.length + 24);
    const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'latin1');
    const okm = hkdfExpand(Buffer.from(jwe.plaintext), Buffer.concat([label, salt, header]), 76);
    expect(sealed.subarray(header.length + 24, header.length + 56)).toEqual(okm.subarray(44));
    const plain: Buffer[] = [];
    for (let chunk = 0, at = header.length + 56; at < sealed.length; chunk++, at += CHUNK + 16) {
      const part = sealed.subarray(at, at + CHUNK + 16);
      const nonce = Buffer.from(okm.subarray(32, 44));
      nonce[11] = (nonce[11] as number) ^ chunk;
      const decipher = createDecipheriv('aes-256-gcm', okm.subarray(0, 32), nonce).setAuthTag(part.subarray(-16));
      plain.push(decipher.update(part.subarray(0, -16)), decipher.final());
    }
    expect(Buffer.concat(plain).equals(data)).toBe(true);
  });

  it('opens when it was made by hand, with a key that another JOSE library wrapped', async () => {
    const inputKey = pattern(32);
    const jwe = await new CompactEncrypt(inputKey)
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'cvm-stream+jwe' })
      .encrypt(key.publicKey);
    const length = Buffer.from([jwe.length >> 8, jwe.length]);
    const header = Buffer.concat([Buffer.from('CVMSEAL\x01', 'latin1'), length, Buffer.from(jwe)]);
    const salt = pattern(24, 7);
    const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'latin1');
    const additionalData = Buffer.from('volume 7');
    const okm = hkdfExpand(inputKey, Buffer.concat([label, salt, header, additionalData]), 76);
    const cipher = createCipheriv('aes-256-gcm', okm.subarray(0, 32), okm.subarray(32, 44));
    const chunk = Buffer.concat([cipher.update('hello'), cipher.final(), cipher.getAuthTag()]);
    const sealed = Buffer.concat([header, salt, okm.subarray(44), chunk]);
    const opened = await collect(decryptChunks([sealed], key.unwrap, { additionalData }));
    expect(opened.toString()).toBe('hello');
  });

  it('passes through Node streams and Web streams', async () => {
    const data = pattern(3_333_333);
    const through = async (...stages: NodeJS.ReadWriteStream[]) => {
      const pieces: Buffer[] = [];
      const sink = new Writable({
        write(piece: Buffer, _, done) {
          pieces.push(piece);
          done();
        },
      });
      await pipeline([Readable.from(cut(data, 100_001)), ...stages, sink]);
      return Buffer.concat(pieces);
    };
    const round = await through(createEncryptStream(key.token), createDecryptStream(key.unwrap));
    expect(round.equals(data)).toBe(true);

    const encrypt = webPair(createEncryptStream(key.token));
    const decrypt = webPair(createDecryptStream(key.unwrap));
    const web = Readable.toWeb(Readable.from(cut(data, 65_536))) as ReadableStream<Uint8Array>;
    const opened = web.pipeThrough(encrypt).pipeThrough(decrypt) as unknown as AsyncIterable<Uint8Array>;
    expect((await collect(opened)).equals(data)).toBe(true);
  });

  it('gives each chunk as soon as its tag was right, before the stream ends', async () => {
    const sealed = await seal(pattern(5 * CHUNK));
    async function* stalled() {
      yield sealed.subarray(0, headerBytes(sealed) + 56 + 2 * (CHUNK + 16));
      await new Promise(() => {});
    }
    const { value } = await decryptChunks(stalled(), key.unwrap).next();
    expect(value).toEqual(pattern(5 * CHUNK).subarray(0, 2 * CHUNK));
  });

  it('respects back-pressure', async () => {
    let taken = 0;
    function* endless() {
      for (;;) {
        taken++;
        yield Buffer.alloc(1 << 20);
      }
    }
    const stream = Readable.from(endless()).pipe(createEncryptStream(key.token));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(taken).toBeLessThan(30);
    stream.destroy();
  });

  it('binds additional data', async () => {
    const additionalData = Buffer.from('volume 7');
    const sealed = await collect(encryptChunks(key.token, [pattern(100)], { additionalData }));
    expect(await collect(decryptChunks([sealed], key.unwrap, { additionalData }))).toEqual(pattern(100));
    await expect(open(sealed)).rejects.toEqual(refused(26));
  });

  it('an abort ends it with an AbortError', async () => {
    const abort = new AbortController();
    const stream = createEncryptStream(key.token, { signal: abort.signal });
    const ended = pipeline(Readable.from([pattern(10)]), stream, async (source) => {
      for await (const _ of source) abort.abort();
    });
    await expect(ended).rejects.toMatchObject({ name: 'AbortError' });
    const { signal } = abort;
    await expect(collect(encryptChunks(key.token, [], { signal }))).rejects.toMatchObject({ name: 'AbortError' });
    await expect(collect(decryptChunks([], key.unwrap, { signal }))).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('an error of the source is passed on as it is', async () => {
    const failure = new RangeError('the disk is gone');
    async function* broken() {
      yield pattern(10);
      throw failure;
    }
    await expect(collect(encryptChunks(key.token, broken()))).rejects.toBe(failure);
  });
});

describe('a stream that was tampered with', () => {
  const data = pattern(3 * CHUNK + 100);
  /** Plaintext until the refusal, and the refusal. */
  async function attempt(sealed: Buffer, piece = 50_000) {
    const pieces: Buffer[] = [];
    try {
      for await (const part of decryptChunks(cut(sealed, piece), key.unwrap)) pieces.push(part);
    } catch (error) {
      return { error, plain: Buffer.concat(pieces) };
    }
    return { error: undefined, plain: Buffer.concat(pieces) };
  }

  it('is refused wherever it was cut', async () => {
    const sealed = await seal(data);
    const start = headerBytes(sealed) + 56;
    const cuts = [start, start + 15, start + 16, start + CHUNK, ...[1, 2, 3].map((k) => start + k * (CHUNK + 16))];
    for (const end of [...cuts, sealed.length - 1, sealed.length - 16]) {
      const { error, plain } = await attempt(sealed.subarray(0, end));
      expect(error, `cut at ${end}`).toEqual(refused(26));
      expect(plain.equals(data.subarray(0, plain.length))).toBe(true);
    }
    for (const end of [0, 3, 8, 9, 10, 100, start - 57, start - 1]) {
      expect((await attempt(sealed.subarray(0, end))).error, `cut at ${end}`).toEqual(refused(8));
    }
  });

  it('is refused when chunks are swapped, repeated, dropped or added', async () => {
    const sealed = await seal(data);
    const start = headerBytes(sealed) + 56;
    const head = sealed.subarray(0, start);
    const [a, b, c, last] = [...cut(sealed.subarray(start), CHUNK + 16)] as [Buffer, Buffer, Buffer, Buffer];
    for (const chunks of [
      [b, a, c, last],
      [a, a, c, last],
      [a, b, last],
      [a, b, c, c, last],
      [a, b, c, last, last],
    ]) {
      const { error, plain } = await attempt(Buffer.concat([head, ...chunks]));
      expect(error).toEqual(refused(26));
      expect(plain.equals(data.subarray(0, plain.length))).toBe(true);
    }
    expect((await attempt(Buffer.concat([sealed, Buffer.alloc(1)]))).error).toEqual(refused(26));
    const other = await seal(data);
    const foreign = Buffer.concat([head, other.subarray(headerBytes(other) + 56)]);
    expect((await attempt(foreign)).error).toEqual(refused(26));
  });

  it('is refused when a byte of it was changed', async () => {
    const sealed = await seal(data);
    const start = headerBytes(sealed);
    for (const at of [start, start + 23, start + 24, start + 55, start + 56, start + 40_000, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ 1;
      const { error, plain } = await attempt(changed);
      expect(error, `byte ${at}`).toEqual(refused(26));
      expect(plain.equals(data.subarray(0, plain.length))).toBe(true);
    }
    // Every byte of the header: not a stream any more, or not its key.
    for (let at = 0; at < start; at += 7) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ 1;
      const { error, plain } = await attempt(changed);
      expect([8, 26], `byte ${at}`).toContain((error as { code?: number }).code);
      expect(plain).toHaveLength(0);
    }
  });

  it('is refused as something else before any key is used', async () => {
    const sealed = await seal(data);
    const jwe = await encryptJwe(key.token, pattern(32));
    const before = key.unwraps;
    const version = Buffer.from(sealed);
    version[7] = 2;
    const long = Buffer.from(sealed);
    long.writeUInt16BE(8193, 8);
    const empty = Buffer.from(sealed);
    empty.writeUInt16BE(0, 8);
    const message = Buffer.concat([
      sealed.subarray(0, 8),
      Buffer.from([jwe.length >> 8, jwe.length]),
      Buffer.from(jwe),
    ]);
    for (const bad of [Buffer.from('PK\x03\x04…'), version, long, empty, Buffer.concat([message, Buffer.alloc(99)])]) {
      expect((await attempt(bad)).error).toEqual(refused(8));
    }
    expect(key.unwraps).toBe(before);
  });

  it('refuses pieces that are not bytes', async () => {
    const text = ['text'] as unknown as Buffer[];
    await expect(collect(encryptChunks(key.token, text))).rejects.toEqual(refused(8));
    await expect(collect(decryptChunks(text, key.unwrap))).rejects.toEqual(refused(8));
    const shared = [new Uint8Array(new SharedArrayBuffer(8))];
    await expect(collect(encryptChunks(key.token, shared))).rejects.toEqual(refused(8));
  });

  it('the stream fails for good, and close() ends its key', async () => {
    const sealed = await seal(data);
    const stream = createDecryptStream(key.unwrap);
    const ended = new Promise((resolve) => stream.once('error', resolve));
    stream.resume();
    stream.write(Buffer.concat([sealed.subarray(0, headerBytes(sealed) + 56), Buffer.alloc(CHUNK + 16)]));
    expect(await ended).toEqual(refused(26));
    expect(stream.destroyed).toBe(true);
  });
});

/** HKDF-Expand by node:crypto, whose `hkdf` always extracts: T(n) = HMAC(T(n-1) || info || n). */
function hkdfExpand(prk: Buffer, info: Buffer, size: number): Buffer {
  let block = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  for (let i = 1; Buffer.concat(blocks).length < size; i++) {
    block = createHmac('sha512', prk)
      .update(block)
      .update(info)
      .update(Buffer.from([i]))
      .digest();
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, size);
}
