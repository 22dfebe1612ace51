import * as fc from 'fast-check';
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
const RUNS = { numRuns: 60 };

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A genuine message with bytes overwritten, removed or inserted at random. */
const damaged = (genuine: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .record({ at: fc.nat(genuine.length), drop: fc.nat(40), insert: fc.uint8Array({ maxLength: 40 }) })
    .map(({ at, drop, insert }) => Buffer.concat([genuine.subarray(0, at), insert, genuine.subarray(at + drop)]))
    .filter((bytes) => !bytes.equals(genuine));

/** Whatever comes in: nothing but a refusal with a documented code goes out. */
async function refuses(call: Promise<unknown>): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'AttestationError' });
  expect([8, 26]).toContain((error as { code: number }).code);
}

const bytes = fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array));

describe('hostile input', () => {
  it('as envelope metadata', async () => {
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(100));
    const json = Buffer.from(encryptionMetadata.toString(), 'base64');
    const inside = damaged(json).map((changed) => Buffer.from(changed.toString('base64')));
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, inside), (metadata) =>
        // A damaged blank or member name may leave the same JWE behind: then it opens to the same.
        decryptEnvelope(encryptedData, metadata, key.unwrap).then(
          (plain) => expect(plain).toEqual(pattern(100)),
          (error: unknown) => refuses(Promise.reject(error)),
        ),
      ),
      RUNS,
    );
  });

  it('as a compact JWE is refused with a documented error', async () => {
    const genuine = Buffer.from(await encryptJwe(key.token, pattern(100)));
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, damaged(genuine)), (text) =>
        refuses(decryptJwe(text.toString('latin1'), key.unwrap)),
      ),
      RUNS,
    );
  });

  it('as the metadata and messages of a session', async () => {
    const encryptor = createEncryptor(key.token);
    const decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
    const message = encryptor.encrypt(pattern(50));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(bytes, damaged(encryptor.metadata)),
        fc.oneof(bytes, damaged(message)),
        async (metadata, sealed) => {
          await Promise.all([
            refuses(createDecryptor(metadata, key.unwrap)),
            refuses((async () => decryptor.decrypt(sealed))()),
            refuses(decryptor.decryptAsync(sealed)),
            refuses((async () => decryptor.decryptMany([message, sealed]))()),
            refuses(decryptor.decryptPacked(sealed, [sealed.length])),
          ]);
        },
      ),
      RUNS,
    );
    for (const session of [encryptor, decryptor]) session.close();
  });

  it('as a stream or a file, in pieces of any size', async () => {
    const genuine = await collect(encryptChunks(key.token, [pattern(40_000)]));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(bytes, damaged(genuine)),
        fc.integer({ min: 1, max: 50_000 }),
        async (sealed, piece) => {
          const pieces = Array.from({ length: Math.ceil(sealed.length / piece) }, (_, i) =>
            sealed.subarray(i * piece, (i + 1) * piece),
          );
          await refuses(collect(decryptChunks(pieces, key.unwrap)));
          const source = {
            read: async (buffer: Uint8Array, offset: number, length: number, position: number) => ({
              bytesRead: sealed.copy(buffer, offset, position, position + length),
            }),
            stat: async () => ({ size: sealed.length }),
          };
          await refuses(
            (async () => {
              using file = await openRandomAccess(source, key.unwrap);
              await file.readRange(0);
            })(),
          );
        },
      ),
      RUNS,
    );
  });
});
