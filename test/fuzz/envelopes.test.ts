import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createDecryptor,
  decryptChunks,
  decryptEnvelope,
  decryptJwe,
  encryptChunks,
  openRandomAccess,
} from '../../lib/content/index.js';
import { streamHeaderBytes } from '../../lib/content/stream-header.js';
import { createEncryptor, encrypt, encryptJwe } from '../../lib/index.js';
import { type SoftwareKey, softwareKey } from '../content/software-key.js';
import { anything, mutated, mutatedJson, mutatedText } from './hostile.js';
import { asyncProperty, property, refusesTyped, rejectsTyped } from './property.js';

const plaintext = randomBytes(20_000);
let key: SoftwareKey;
beforeAll(() => {
  key = softwareKey();
});

/** A changed ciphertext must not open; one that opens all the same must say what was sealed. */
async function opensOnlyGenuine(open: () => Promise<Uint8Array>): Promise<void> {
  await rejectsTyped(async () => {
    const opened = await open();
    if (!Buffer.from(opened).equals(plaintext)) throw new Error(`opened to ${opened.length} other bytes`);
  });
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe('hostile ciphertext', () => {
  it('as an envelope ends in a documented error', async () => {
    const { encryptedData, encryptionMetadata } = await encrypt(key.token, plaintext);
    const metadata = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString()) as object;
    const encoded = (value: unknown) => Buffer.from(Buffer.from(JSON.stringify(value) ?? '').toString('base64'));
    await asyncProperty(mutatedJson(metadata), (value) =>
      opensOnlyGenuine(() => decryptEnvelope(encryptedData, encoded(value), key.unwrap)),
    );
    await asyncProperty(mutated(encryptionMetadata), (bytes) =>
      opensOnlyGenuine(() => decryptEnvelope(encryptedData, bytes, key.unwrap)),
    );
    await asyncProperty(mutated(encryptedData), (bytes) =>
      opensOnlyGenuine(() => decryptEnvelope(bytes, encryptionMetadata, key.unwrap)),
    );
    await asyncProperty(fc.tuple(anything, anything), ([data, meta]) =>
      opensOnlyGenuine(() => decryptEnvelope(data as Uint8Array, meta as Uint8Array, key.unwrap)),
    );
  });

  it('as a compact JWE ends in a documented error', async () => {
    const jwe = await encryptJwe(key.token, plaintext);
    await asyncProperty(mutatedText(jwe), (text) => opensOnlyGenuine(() => decryptJwe(text, key.unwrap)));
    await asyncProperty(anything, (value) => opensOnlyGenuine(() => decryptJwe(value as string, key.unwrap)));
  });

  it('streams and sealed files', async () => {
    const sealed = await collected(encryptChunks(key.token, [plaintext]));
    const pieces = fc.integer({ min: 1, max: 30_000 });
    await asyncProperty(fc.tuple(mutated(sealed), pieces), ([bytes, piece]) => {
      const source = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) =>
        bytes.subarray(i * piece, (i + 1) * piece),
      );
      return opensOnlyGenuine(() => collected(decryptChunks(source, key.unwrap)));
    });
    await asyncProperty(mutated(sealed), (bytes) =>
      opensOnlyGenuine(async () => {
        const source = {
          read: async (buffer: Uint8Array, offset: number, length: number, position: number) => ({
            bytesRead: bytes.copy(buffer, offset, position, position + length),
          }),
          stat: async () => ({ size: bytes.length }),
        };
        const file = await openRandomAccess(source as never, key.unwrap);
        try {
          return await file.readRange(0);
        } finally {
          file.close();
        }
      }),
    );
    property(mutated(sealed), (bytes) => refusesTyped(() => streamHeaderBytes(bytes)));
  });

  it('session metadata and messages', async () => {
    const encryptor = createEncryptor(key.token);
    const message = encryptor.encrypt(plaintext);
    await asyncProperty(mutated(encryptor.metadata), (metadata) =>
      rejectsTyped(async () => {
        const decryptor = await createDecryptor(metadata, key.unwrap);
        decryptor.close();
      }),
    );
    const decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
    property(mutated(message), (bytes) => {
      if (bytes.equals(message)) return;
      refusesTyped(() => {
        decryptor.decrypt(bytes);
        throw new Error('opened a changed message');
      });
    });
    expect(decryptor.decrypt(message)).toEqual(plaintext);
    decryptor.close();
    encryptor.close();
  });
});
