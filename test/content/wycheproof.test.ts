import { constants, createHash, createPrivateKey, type JsonWebKey, privateDecrypt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ChunkPump } from '../../lib/content/chunk-pump.js';
import { decryptJwe } from '../../lib/content/jwe.js';
import { type RandomAccessSource, sealedFile } from '../../lib/content/random-access.js';
import { native } from '../../lib/native.js';

const folder = new URL('../../../shared/fixtures/wycheproof/', import.meta.url);
const available = existsSync(folder);

interface Group<T> {
  tests: (T & { tcId: number; comment: string; result: 'valid' | 'invalid' | 'acceptable'; flags: string[] })[];
}
const load = <G>(name: string): G[] =>
  available ? (JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { testGroups: G[] }).testGroups : [];
const hex = (text: string) => Buffer.from(text, 'hex');

interface ChunkedVector {
  key: string;
  ctx: string;
  ct: string;
  msgLength?: number;
  msgSha512?: string;
}

describe.skipIf(!available)('Wycheproof: C2SP chunked encryption, AES-256-GCM', () => {
  const vectors = load<Group<ChunkedVector>>('c2sp_chunked_encryption_aes_256_gcm_test.json').flatMap((g) => g.tests);
  const ciphertext = (vector: ChunkedVector) => inflateSync(hex(vector.ct));

  /** Throws for what the header tells already. */
  function opener(vector: ChunkedVector, bytes: Buffer) {
    const { ContentKey, ChunkOpener } = native();
    return new ChunkOpener(new ContentKey(hex(vector.key)), bytes.subarray(0, 56), hex(vector.ctx));
  }

  it.each(vectors)('streaming $tcId: $comment', (vector) => {
    const bytes = ciphertext(vector);
    for (const piece of [1000, 16_400, 1 << 20]) {
      const hash = createHash('sha512');
      let length = 0;
      let failed = false;
      try {
        const chunks = new ChunkPump(opener(vector, bytes));
        const take = (plain: Buffer) => {
          hash.update(plain);
          length += plain.length;
        };
        try {
          for (let at = 56; at < bytes.length; at += piece) {
            for (const plain of chunks.update(bytes.subarray(at, at + piece))) take(plain);
          }
          take(chunks.finish());
        } catch (error) {
          failed = true;
          // It must keep failing.
          expect(() => chunks.finish()).toThrow();
          expect(() => [...chunks.update(Buffer.alloc(20_000))]).toThrow();
          throw error;
        }
      } catch (error) {
        failed = true;
        expect(error).toMatchObject({
          kind: vector.flags.includes('InvalidKeySize')
            ? 'invalid-argument'
            : expect.stringMatching(/crypto|invalid-argument/),
        });
      }
      expect(failed).toBe(vector.result === 'invalid');
      if (failed) {
        // Nothing beyond the longest valid prefix, and exactly it where a call takes one chunk.
        expect(length).toBeLessThanOrEqual(vector.msgLength ?? 0);
        if (piece === 16_400) expect(length).toBe(vector.msgLength ?? 0);
      }
      if (length === (vector.msgLength ?? 0) && vector.msgSha512 !== undefined) {
        expect(hash.digest('hex')).toBe(vector.msgSha512);
      }
    }
  });

  it.each(vectors)('random access $tcId: $comment', async (vector) => {
    const bytes = ciphertext(vector);
    const source: RandomAccessSource = {
      async read(buffer, offset, length, position) {
        return { bytesRead: bytes.copy(buffer, offset, position, position + length) };
      },
      stat: async () => ({ size: bytes.length }),
    };
    const file = await (async () => sealedFile(source, opener(vector, bytes), 56, bytes.length))().catch(
      () => undefined,
    );
    const lengthIsGenuine = vector.result === 'valid' || vector.flags.includes('ValidFinalChunk');
    expect(file !== undefined).toBe(lengthIsGenuine);
    if (file === undefined) return;
    if (vector.result === 'valid') {
      expect(file.size).toBe(vector.msgLength);
      const plain = await file.readRange(0);
      expect(createHash('sha512').update(plain).digest('hex')).toBe(vector.msgSha512);
      const middle = Math.floor(file.size / 2);
      expect((await file.readRange(middle, middle + 20_000)).equals(plain.subarray(middle, middle + 20_000))).toBe(
        true,
      );
    } else {
      await expect(file.readRange(0)).rejects.toMatchObject({ code: 26 });
      const prefix = await file.readRange(0, vector.msgLength ?? 0);
      if (vector.msgSha512 !== undefined) {
        expect(createHash('sha512').update(prefix).digest('hex')).toBe(vector.msgSha512);
      }
    }
    file.close();
  });
});

interface GcmVector {
  key: string;
  iv: string;
  aad: string;
  msg: string;
  ct: string;
  tag: string;
}

describe.skipIf(!available)('Wycheproof: AES-GCM', () => {
  const groups = load<Group<GcmVector> & { keySize: number; ivSize: number; tagSize: number }>('aes_gcm_test.json');
  const ours = groups.filter((g) => g.keySize === 256 && g.ivSize === 96 && g.tagSize === 128).flatMap((g) => g.tests);
  const others = groups.filter((g) => g.keySize !== 256 || g.ivSize !== 96 || g.tagSize !== 128);

  it.each(ours)('256-bit key, 96-bit IV $tcId: $comment', (vector) => {
    const { ContentKey } = native();
    const plain = Buffer.alloc(hex(vector.msg).length, 7);
    const open = () =>
      new ContentKey(hex(vector.key)).open(hex(vector.iv), hex(vector.aad), hex(vector.tag), hex(vector.ct), plain);
    if (vector.result === 'invalid') {
      expect(open).toThrow(expect.objectContaining({ kind: 'crypto' }));
      expect(plain.every((byte) => byte === 0)).toBe(true);
      return;
    }
    open();
    expect(plain).toEqual(hex(vector.msg));
    const tag = Buffer.alloc(16);
    const sealed = Buffer.alloc(plain.length);
    new ContentKey(hex(vector.key)).seal(hex(vector.iv), hex(vector.aad), tag, plain, sealed);
    expect([sealed, tag]).toEqual([hex(vector.ct), hex(vector.tag)]);
  });

  it('other key and IV sizes are refused', () => {
    const { ContentKey } = native();
    for (const group of others) {
      for (const vector of group.tests) {
        const open = () =>
          new ContentKey(hex(vector.key)).open(
            hex(vector.iv),
            hex(vector.aad),
            hex(vector.tag),
            hex(vector.ct),
            Buffer.alloc(hex(vector.ct).length),
          );
        expect(open, `${vector.tcId}`).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
      }
    }
  });
});

interface JweVector {
  jwe: string | object;
  pt?: string;
}

describe.skipIf(!available)('Wycheproof: JSON Web Encryption', () => {
  const groups = load<Group<JweVector> & { comment: string; private: JsonWebKey & { alg?: string; kid?: string } }>(
    'json_web_encryption_test.json',
  );
  const isOurs = (group: (typeof groups)[number]) =>
    group.private.kty === 'RSA' && group.private.alg === 'RSA-OAEP-256';

  const unwrapWith = (jwk: JsonWebKey) => {
    const { alg: _alg, use: _use, key_ops: _ops, ...bare } = jwk as Record<string, unknown>;
    const key = createPrivateKey({ key: bare as JsonWebKey, format: 'jwk' });
    return async (block: Uint8Array) =>
      privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, block);
  };
  /** Made with the algorithms that are accepted here, whether or not it opens. */
  function isSupported(jwe: unknown): jwe is string {
    if (typeof jwe !== 'string') return false;
    try {
      const header = JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString()) as Record<
        string,
        unknown
      >;
      return header.alg === 'RSA-OAEP-256' && header.enc === 'A256GCM';
    } catch {
      return false;
    }
  }

  it.each(groups.filter(isOurs).flatMap((group) => group.tests.map((test) => ({ ...test, group }))))(
    'RSA-OAEP-256 $tcId: $comment',
    async ({ jwe, pt, result, group }) => {
      const unwrap = unwrapWith(group.private);
      const opened = await decryptJwe(jwe as string, unwrap).catch((error: { code: number }) => error.code);
      if (result === 'valid' && isSupported(jwe)) expect(opened).toEqual(hex(pt ?? ''));
      else expect([8, 26]).toContain(opened);
    },
  );

  it('keys of every other algorithm: refused as not ours, before a key is used', async () => {
    const never = async (): Promise<Uint8Array> => {
      throw new Error('must not be called');
    };
    let count = 0;
    for (const test of groups.filter((group) => !isOurs(group)).flatMap((group) => group.tests)) {
      if (isSupported(test.jwe)) continue;
      await expect(decryptJwe(test.jwe as unknown as string, never), `${test.tcId}`).rejects.toMatchObject({ code: 8 });
      count++;
    }
    expect(count).toBeGreaterThan(90);
  });
});
