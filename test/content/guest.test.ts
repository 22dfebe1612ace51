import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttestationClient,
  createEncryptor,
  createEncryptStream,
  encrypt,
  encryptChunks,
  encryptJwe,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { pattern } from './software-key.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
let token: string;
const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });
let trace: ReturnType<SimulatedCvm['trace']>;
const decryptions = () =>
  Object.entries(trace.counts()).reduce((sum, [name, n]) => sum + (/RSA_?Decrypt/i.test(name) ? n : 0), 0);

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
  trace = cvm.trace();
  token = await client.attest({ attestationUrl: cvm.attestationUrl });
});
afterAll(async () => {
  trace?.stop();
  await client?.close();
  await cvm?.stop();
});

describe('a guest with its TPM', () => {
  it('opens envelopes and JWEs of any size', async () => {
    for (const size of [0, 1000, 3_000_000]) {
      const data = pattern(size);
      const { encryptedData, encryptionMetadata } = await encrypt(token, data);
      expect((await client.decrypt(encryptedData, { encryptionMetadata })).equals(data)).toBe(true);
      expect((await client.decryptJwe(await encryptJwe(token, data))).equals(data)).toBe(true);
    }
  });

  it('opens a session by one TPM operation', async () => {
    using encryptor = createEncryptor(token);
    const before = decryptions();
    using decryptor = await client.createDecryptor(encryptor.metadata);
    for (let i = 0; i < 100; i++) expect(decryptor.decrypt(encryptor.encrypt(pattern(i)))).toEqual(pattern(i));
    expect(decryptions() - before).toBe(1);
  });

  it('opens streams, and files at any position', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cga-guest-'));
    try {
      const data = pattern(1_000_000);
      const path = join(folder, 'sealed');
      await pipeline([data], createEncryptStream(token), createWriteStream(path));
      const plain: Buffer[] = [];
      await pipeline(createReadStream(path), client.createDecryptStream(), async (pieces) => {
        for await (const piece of pieces) plain.push(piece as Buffer);
      });
      expect(Buffer.concat(plain).equals(data)).toBe(true);
      await using handle = await open(path);
      using file = await client.openRandomAccess(handle);
      expect((await file.readRange(500_000, 600_000)).equals(data.subarray(500_000, 600_000))).toBe(true);
      const again: Buffer[] = [];
      for await (const piece of client.decryptChunks(encryptChunks(token, [data]))) again.push(piece);
      expect(Buffer.concat(again).equals(data)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('cannot tell wrong padding from a wrong tag: code, message, TPM code and cause are the same', async () => {
    const { encryptedData, encryptionMetadata } = await encrypt(token, pattern(100));
    const metadata = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString());
    const withMember = (member: string, at: number) => {
      const bytes = Buffer.from(metadata[member], 'base64url');
      bytes[at] = (bytes[at] as number) ^ 1;
      const changed = JSON.stringify({ ...metadata, [member]: bytes.toString('base64url') });
      return Buffer.from(Buffer.from(changed).toString('base64'));
    };
    const errors: unknown[] = [];
    for (const changed of [withMember('encrypted_key', 200), withMember('tag', 3)]) {
      const error: unknown = await client
        .decrypt(encryptedData, { encryptionMetadata: changed })
        .catch((e: unknown) => e);
      const { code, message, tpmErrorCode, cause } = error as Error & { code: number; tpmErrorCode: number };
      errors.push({ code, message, tpmErrorCode, cause });
    }
    expect(errors[0]).toMatchObject({ code: 26, tpmErrorCode: 0 });
    expect(errors[1]).toEqual(errors[0]);
  });

  it('finishes 1,000 decryptions at once in their order, and drops the queued ones on abort', async () => {
    const sealed = await Promise.all(Array.from({ length: 1000 }, (_, i) => encrypt(token, pattern(8, i + 1))));
    const order: number[] = [];
    const results = await Promise.all(
      sealed.map(async ({ encryptedData, encryptionMetadata }, i) => {
        const plain = await client.decrypt(encryptedData, { encryptionMetadata });
        order.push(i);
        return plain.equals(pattern(8, i + 1));
      }),
    );
    expect(results.every(Boolean)).toBe(true);
    expect(order).toEqual(order.map((_, i) => i));

    const abort = new AbortController();
    const { signal } = abort;
    const before = decryptions();
    const settled = await Promise.allSettled(
      sealed.map(async ({ encryptedData, encryptionMetadata }) => {
        await client.decrypt(encryptedData, { encryptionMetadata, signal });
        abort.abort();
      }),
    );
    const rejected = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(rejected.length).toBeGreaterThan(900);
    expect(rejected.every((reason: Error) => reason.name === 'AbortError')).toBe(true);
    // One command may have been in progress when the signal aborted.
    expect(decryptions() - before).toBeLessThanOrEqual(1000 - rejected.length + 1);
  }, 60_000);

  it('with a key cache needs the TPM once for one wrapped key, and forgets it at close()', async () => {
    const cached = clientOf(cvm, { keyCache: true });
    const { encryptedData, encryptionMetadata } = await encrypt(token, pattern(100));
    const decrypt = () => cached.decrypt(encryptedData, { encryptionMetadata });
    await decrypt();
    const before = decryptions();
    for (let i = 0; i < 10; i++) expect(await decrypt()).toEqual(pattern(100));
    expect(decryptions()).toBe(before);
    await client.decrypt(encryptedData, { encryptionMetadata });
    expect(decryptions()).toBe(before + 1);
    await cached.close();
    await expect(decrypt()).rejects.toEqual(refused(8));
  });

  it('opens nothing of an earlier state once the PCRs have changed', async () => {
    const sealed = await encrypt(token, pattern(100));
    const { encryptedData, encryptionMetadata } = sealed;
    const encryptor = createEncryptor(token);
    expect(await client.decrypt(encryptedData, { encryptionMetadata })).toEqual(pattern(100));
    await cvm.extendPcr(7, Buffer.alloc(32, 1));
    await expect(client.decrypt(encryptedData, { encryptionMetadata })).rejects.toEqual(refused(26));
    await expect(client.createDecryptor(encryptor.metadata)).rejects.toEqual(refused(26));
    encryptor.close();
  });

  it('says with its TPM code that there is no TPM', async () => {
    const without = clientOf(cvm, { tcti: 'swtpm:path=/nonexistent' });
    const { encryptedData, encryptionMetadata } = await encrypt(token, pattern(100));
    const error = await without.decrypt(encryptedData, { encryptionMetadata }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 26, tpmErrorCode: expect.any(Number) });
    expect((error as { tpmErrorCode: number }).tpmErrorCode).not.toBe(0);
    await without.close();
  });
});
