import { inspect } from 'node:util';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { createDecryptor, type Decryptor, type DecryptorOptions } from '../../lib/content/decryptor.js';
import { createEncryptor, type Encryptor, type EncryptorOptions } from '../../lib/content/encryptor.js';
import { encryptJwe } from '../../lib/content/jwe.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
const open: { close(): void }[] = [];
afterEach(() => {
  for (const session of open.splice(0)) session.close();
});

const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });
const codeOf = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'no error';
};

async function session(
  sending: EncryptorOptions = {},
  receiving: DecryptorOptions = {},
): Promise<{ encryptor: Encryptor; decryptor: Decryptor }> {
  const encryptor = createEncryptor(key.token, sending);
  const decryptor = await createDecryptor(encryptor.metadata, key.unwrap, receiving);
  open.push(encryptor, decryptor);
  return { encryptor, decryptor };
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => pattern(i % 97, i + 1));

describe('a session', () => {
  it.each([0, 1, 16, 1024, 70_000, 1_200_000])('carries messages of %i bytes, by every method', async (size) => {
    const { encryptor, decryptor } = await session();
    const data = pattern(size);
    const sealed = encryptor.encrypt(data);
    expect(sealed).toHaveLength(size + encryptor.overhead);
    expect(decryptor.decrypt(sealed).equals(data)).toBe(true);

    const out = Buffer.alloc(size + 30, 7);
    expect(encryptor.encryptInto(data, out)).toBe(size + 24);
    expect(out.subarray(size + 24)).toEqual(Buffer.alloc(6, 7));
    const plain = Buffer.alloc(size + 3, 7);
    expect(decryptor.decryptInto(out.subarray(0, size + 24), plain)).toBe(size);
    expect(plain.equals(Buffer.concat([data, Buffer.alloc(3, 7)]))).toBe(true);

    const asynchronous = await encryptor.encryptAsync(data);
    expect((await decryptor.decryptAsync(asynchronous)).equals(data)).toBe(true);
    expect(decryptor.decrypt(asynchronous).equals(data)).toBe(true);
    expect(encryptor.sent).toBe(3);
  });

  it('encrypts many messages at once, to views of one buffer', async () => {
    const { encryptor, decryptor } = await session();
    const messages = numbered(1000);
    const sealed = encryptor.encryptMany(messages);
    expect(new Set(sealed.map((message) => message.buffer)).size).toBe(1);
    expect(decryptor.decryptMany(sealed)).toEqual(messages);
    expect(decryptor.decrypt(sealed[999] as Buffer)).toEqual(messages[999]);
    expect(encryptor.encryptMany([])).toEqual([]);
    expect(decryptor.decryptMany([])).toEqual([]);
  });

  it('encrypts packed messages, and gives views without copying', async () => {
    const { encryptor, decryptor } = await session();
    const messages = numbered(1000);
    const lengths = messages.map((message) => message.length);
    const sealed = await encryptor.encryptPacked(Buffer.concat(messages), lengths);
    expect(sealed).toHaveLength(1000);
    expect(sealed.at(500)?.buffer).toBe(sealed.packed.buffer);
    expect(sealed.at(-1)).toEqual(sealed.toArray()[999]);
    expect(sealed.at(1000)).toBeUndefined();
    const opened = await decryptor.decryptPacked(sealed.packed, sealed.lengths);
    expect([...opened]).toEqual(messages);
    expect(decryptor.decrypt(sealed.at(77) as Buffer)).toEqual(messages[77]);
    expect((await encryptor.encryptPacked(Buffer.alloc(0), [])).packed).toHaveLength(0);
  });

  it('opens in any order, and by one RSA operation', async () => {
    const before = key.unwraps;
    const { encryptor, decryptor } = await session();
    const messages = numbered(50);
    const sealed = messages.map((message) => encryptor.encrypt(message));
    for (let i = 49; i >= 0; i--) expect(decryptor.decrypt(sealed[i] as Buffer)).toEqual(messages[i]);
    expect(key.unwraps).toBe(before + 1);
  });

  it('never uses a message number twice', async () => {
    const { encryptor } = await session();
    const sealed = [
      encryptor.encrypt(pattern(5)),
      ...encryptor.encryptMany([pattern(5), pattern(5)]),
      ...(await Promise.all([encryptor.encryptAsync(pattern(5)), encryptor.encryptAsync(pattern(5))])),
      ...(await encryptor.encryptPacked(pattern(10), [5, 5])),
      encryptor.encrypt(pattern(5)),
    ];
    expect(sealed.map((message) => message.readBigUInt64BE())).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
  });

  it('ends at its limit, before a number could repeat', async () => {
    const { encryptor } = await session({ messageLimit: 3 });
    expect(codeOf(() => encryptor.encryptMany(numbered(4)))).toBe(8);
    encryptor.encryptMany(numbered(2));
    encryptor.encrypt(pattern(1));
    expect(codeOf(() => encryptor.encrypt(pattern(1)))).toBe(8);
    await expect(encryptor.encryptAsync(pattern(1))).rejects.toEqual(refused(8));
    await expect(encryptor.encryptPacked(pattern(1), [1])).rejects.toEqual(refused(8));
    for (const messageLimit of [0, -1, 1.5, 2 ** 48 + 1, Number.NaN]) {
      expect(codeOf(() => createEncryptor(key.token, { messageLimit }))).toBe(8);
    }
  });

  it('refuses a changed byte anywhere, and returns nothing of the message', async () => {
    const { encryptor, decryptor } = await session();
    const sealed = encryptor.encrypt(pattern(40));
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ 0x80;
      const out = Buffer.alloc(40, 7);
      expect(
        codeOf(() => decryptor.decryptInto(changed, out)),
        `byte ${at}`,
      ).toBe(26);
      expect(out.every((byte) => byte === 0)).toBe(true);
    }
    for (let size = 0; size < sealed.length; size++) {
      expect(codeOf(() => decryptor.decrypt(sealed.subarray(0, size)))).toBe(26);
    }
    expect(codeOf(() => decryptor.decrypt(Buffer.concat([sealed, Buffer.alloc(1)])))).toBe(26);
    await expect(decryptor.decryptAsync(sealed.subarray(1))).rejects.toEqual(refused(26));
    expect(decryptor.decrypt(sealed)).toEqual(pattern(40));
  });

  it('opens all of many messages or none', async () => {
    const { encryptor, decryptor } = await session();
    const sealed = encryptor.encryptMany(numbered(300));
    const packed = Buffer.concat(sealed);
    const lengths = sealed.map((message) => message.length);
    const at = sealed.slice(0, 200).reduce((sum, message) => sum + message.length, 0) + 10;
    packed[at] = (packed[at] as number) ^ 1;
    const output = Buffer.alloc(packed.length, 7);
    await expect(decryptor.decryptPacked(packed, lengths, { output })).rejects.toEqual(refused(26));
    expect(output.subarray(0, packed.length - 300 * 24).every((byte) => byte === 0)).toBe(true);
    const changed = sealed.map((message) => Buffer.from(message));
    (changed[200] as Buffer)[10] = ((changed[200] as Buffer)[10] as number) ^ 1;
    expect(codeOf(() => decryptor.decryptMany(changed))).toBe(26);
    expect(codeOf(() => decryptor.decryptMany([...sealed, Buffer.alloc(3)]))).toBe(26);
    await expect(decryptor.decryptPacked(packed, lengths.slice(1))).rejects.toEqual(refused(8));
    await expect(decryptor.decryptPacked(packed, [...lengths, 24])).rejects.toEqual(refused(8));
    await expect(decryptor.decryptPacked(packed, [1.5])).rejects.toEqual(refused(8));
    await expect(decryptor.decryptPacked(packed, [3])).rejects.toEqual(refused(8));
  });

  it('refuses messages of another session, and metadata of something else', async () => {
    const [a, b] = [await session(), await session()];
    expect(codeOf(() => b.decryptor.decrypt(a.encryptor.encrypt(pattern(3))))).toBe(26);
    const jwe = Buffer.from(await encryptJwe(key.token, pattern(32)));
    await expect(createDecryptor(jwe, key.unwrap)).rejects.toEqual(refused(8));
    await expect(createDecryptor(Buffer.alloc(9000, 0x41), key.unwrap)).rejects.toEqual(refused(8));
    await expect(createDecryptor(Buffer.alloc(0), key.unwrap)).rejects.toEqual(refused(8));
    const changed = Buffer.from(a.encryptor.metadata);
    const at = changed.length - 10;
    changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
    await expect(createDecryptor(changed, key.unwrap)).rejects.toEqual(refused(26));
    await expect(createDecryptor(a.encryptor.metadata, softwareKey().unwrap)).rejects.toEqual(refused(26));
  });

  it('binds additional data', async () => {
    const { encryptor, decryptor } = await session(
      { additionalData: Buffer.from('a') },
      { additionalData: Buffer.from('a') },
    );
    const sealed = encryptor.encrypt(pattern(3));
    expect(decryptor.decrypt(sealed)).toEqual(pattern(3));
    for (const options of [{}, { additionalData: Buffer.from('b') }]) {
      const other = await createDecryptor(encryptor.metadata, key.unwrap, options);
      expect(codeOf(() => other.decrypt(sealed))).toBe(26);
      other.close();
    }
  });

  it('with a replay window opens each message once', async () => {
    const { encryptor, decryptor } = await session({}, { replayWindow: 64 });
    const sealed = numbered(200).map((message) => encryptor.encrypt(message));
    const opens = (i: number) => codeOf(() => decryptor.decrypt(sealed[i] as Buffer)) === 'no error';
    expect([opens(0), opens(0)]).toEqual([true, false]);
    expect([opens(100), opens(100)]).toEqual([true, false]);
    expect([opens(99), opens(37), opens(36)]).toEqual([true, true, false]);
    expect([opens(37), opens(164), opens(165), opens(101)]).toEqual([false, true, true, false]);
    expect(codeOf(() => decryptor.decryptMany([sealed[170] as Buffer, sealed[170] as Buffer]))).toBe(26);
    const twice = await Promise.allSettled([
      decryptor.decryptAsync(sealed[180] as Buffer),
      decryptor.decryptAsync(sealed[180] as Buffer),
    ]);
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('is useless after close(), and close() is safe twice', async () => {
    const { encryptor, decryptor } = await session();
    const sealed = encryptor.encrypt(pattern(3));
    for (const end of [encryptor, decryptor]) {
      end.close();
      end.close();
    }
    expect(codeOf(() => encryptor.encrypt(pattern(3)))).toBe(8);
    expect(codeOf(() => encryptor.encryptInto(pattern(3), Buffer.alloc(27)))).toBe(8);
    expect(codeOf(() => encryptor.encryptMany([pattern(3)]))).toBe(8);
    expect(codeOf(() => decryptor.decrypt(sealed))).toBe(8);
    expect(codeOf(() => decryptor.decryptMany([sealed]))).toBe(8);
    await expect(encryptor.encryptAsync(pattern(3))).rejects.toEqual(refused(8));
    await expect(encryptor.encryptPacked(pattern(3), [3])).rejects.toEqual(refused(8));
    await expect(decryptor.decryptAsync(sealed)).rejects.toEqual(refused(8));
    await expect(decryptor.decryptPacked(sealed, [27])).rejects.toEqual(refused(8));
  });

  it('closed while large messages are in progress still ends them', async () => {
    const { encryptor, decryptor } = await session();
    const data = pattern(3_000_000);
    const sealing = encryptor.encryptAsync(data);
    encryptor.close();
    const opening = decryptor.decryptAsync(await sealing);
    decryptor.close();
    expect((await opening).equals(data)).toBe(true);
  });

  it('refuses arguments that are not bytes', async () => {
    const { encryptor, decryptor } = await session();
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    for (const bad of ['text', undefined, 7, [1, 2], new Uint16Array(4), shared] as unknown as Buffer[]) {
      expect(codeOf(() => encryptor.encrypt(bad))).toBe(8);
      expect(codeOf(() => encryptor.encryptInto(bad, Buffer.alloc(100)))).toBe(8);
      expect(codeOf(() => encryptor.encryptInto(pattern(1), bad))).toBe(8);
      expect(codeOf(() => encryptor.encryptMany([bad]))).toBe(8);
      expect(codeOf(() => encryptor.encryptMany(bad as unknown as Buffer[]))).toBe(8);
      expect(codeOf(() => decryptor.decrypt(bad))).toBe(8);
      await expect(encryptor.encryptAsync(bad)).rejects.toEqual(refused(8));
      await expect(encryptor.encryptPacked(bad, [1])).rejects.toEqual(refused(8));
    }
    const memory = Buffer.alloc(100);
    expect(codeOf(() => encryptor.encryptInto(memory.subarray(0, 10), memory))).toBe(8);
    expect(codeOf(() => encryptor.encryptInto(pattern(10), Buffer.alloc(33)))).toBe(8);
    expect(encryptor.sent).toBe(0);
  });

  it('shows no secret when it is inspected', async () => {
    const { encryptor, decryptor } = await session();
    const text = inspect([encryptor, decryptor], { depth: 10, showHidden: true });
    expect(text).not.toMatch(/native|sealer|opener/i);
    expect(JSON.stringify(decryptor)).toBe('{"ordered":false}');
  });

  it('has metadata that any JOSE library can make or read', async () => {
    const { encryptor } = await session();
    const { plaintext, protectedHeader } = await compactDecrypt(encryptor.metadata.toString(), key.privateKey);
    expect(plaintext).toHaveLength(32);
    expect(protectedHeader).toEqual({
      alg: 'RSA-OAEP-256',
      enc: 'A256GCM',
      kid: 'TpmEphemeralEncryptionKey',
      jkt: key.thumbprint,
      typ: 'cvm-session+jwe',
    });
    for (const [size, code] of [
      [32, undefined],
      [31, 8],
    ]) {
      const metadata = await new CompactEncrypt(new Uint8Array(size as number))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'cvm-session+jwe' })
        .encrypt(key.publicKey);
      const made = createDecryptor(Buffer.from(metadata), key.unwrap);
      if (code === undefined) (await made).close();
      else await expect(made).rejects.toEqual(refused(code));
    }
  });
});

describe('an ordered session', () => {
  it('opens in order and tells that nothing is missing at the end', async () => {
    const { encryptor, decryptor } = await session({ ordered: true }, { ordered: true });
    const sealed = [...encryptor.encryptMany(numbered(3)), encryptor.finish(pattern(9))];
    expect(codeOf(() => encryptor.encrypt(pattern(1)))).toBe(8);
    expect(sealed.slice(0, 3).map((message) => decryptor.decrypt(message))).toEqual(numbered(3));
    expect(decryptor.finished).toBe(false);
    expect(decryptor.decrypt(sealed[3] as Buffer)).toEqual(pattern(9));
    expect(decryptor.finished).toBe(true);
    expect(codeOf(() => decryptor.decrypt(sealed[3] as Buffer))).toBe(26);
  });

  it.each([
    ['a repeated message', [0, 1, 1]],
    ['a missing message', [0, 2]],
    ['messages out of order', [1, 0]],
    ['the last message too early', [0, 3]],
  ])('refuses %s, and everything after it', async (_, order) => {
    const { encryptor, decryptor } = await session({ ordered: true });
    const sealed = [...encryptor.encryptMany(numbered(3)), encryptor.finish()];
    const results = order.map((i) => codeOf(() => decryptor.decrypt(sealed[i] as Buffer)));
    expect(results.at(-1)).toBe(26);
    expect(sealed.map((message) => codeOf(() => decryptor.decrypt(message)))).toEqual([26, 26, 26, 26]);
    expect(decryptor.finished).toBe(false);
  });

  it('keeps asynchronous calls in their order', async () => {
    const { encryptor, decryptor } = await session({ ordered: true });
    const messages = [pattern(900_000), pattern(10), pattern(900_000), pattern(0)];
    const sealed = await Promise.all(messages.map((message) => encryptor.encryptAsync(message)));
    const opening = sealed.map((message) => decryptor.decryptAsync(message));
    expect(codeOf(() => decryptor.decrypt(sealed[0] as Buffer))).toBe(8);
    expect((await Promise.all(opening)).map((message, i) => message.equals(messages[i] as Buffer))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(decryptor.decrypt(encryptor.finish())).toHaveLength(0);
    expect(decryptor.finished).toBe(true);
  });

  it('a last message cannot be made out of another, nor in a session without order', async () => {
    const { encryptor, decryptor } = await session({ ordered: true });
    const sealed = encryptor.encrypt(pattern(3));
    sealed[0] = 1;
    expect(codeOf(() => decryptor.decrypt(sealed))).toBe(26);
    expect(decryptor.finished).toBe(false);
    const unordered = await session();
    expect(codeOf(() => unordered.encryptor.finish())).toBe(8);
  });

  it('is refused by a receiver that wants another kind', async () => {
    const { encryptor } = await session({ ordered: true });
    await expect(createDecryptor(encryptor.metadata, key.unwrap, { ordered: false })).rejects.toEqual(refused(8));
    const { encryptor: unordered } = await session();
    await expect(createDecryptor(unordered.metadata, key.unwrap, { ordered: true })).rejects.toEqual(refused(8));
  });
});
