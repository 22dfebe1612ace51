import { createDecipheriv } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, FlattenedEncrypt, flattenedDecrypt } from 'jose';
import { describe, expect, it } from 'vitest';
import { AttestationError, ErrorCode } from '../../lib/base/errors.js';
import { decryptEnvelope, encryptEnvelope } from '../../lib/content/envelope.js';
import { decryptJwe, encryptJwe } from '../../lib/content/jwe.js';
import { pattern, softwareKey } from './software-key.js';

const key = softwareKey();
const SIZES = [0, 1, 15, 16, 17, 1024, 131_072, 131_073, 1_048_575, 1_048_576, 1_048_576 + 5, 3_500_001];

type Members = Record<'protected' | 'encrypted_key' | 'iv' | 'tag', string> & { aad?: string };
const open = (metadata: Buffer) => JSON.parse(Buffer.from(metadata.toString('latin1'), 'base64').toString()) as Members;
const close = (members: unknown) => Buffer.from(Buffer.from(JSON.stringify(members)).toString('base64'));
const flip = (bytes: Uint8Array, at: number) => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
};
const refused = (code: number) => expect.objectContaining({ name: 'AttestationError', code });

describe('envelope', () => {
  it.each(SIZES)('round trip of %i bytes', async (size) => {
    const data = pattern(size);
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, data);
    expect(encryptedData).toHaveLength(size);
    expect((await decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap)).equals(data)).toBe(true);
  });

  it.each(SIZES)('%i bytes are what node:crypto calls AES-256-GCM, however many threads made them', async (size) => {
    const data = pattern(size);
    for (const threads of [1, 2]) {
      const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, data, { threads });
      const members = open(encryptionMetadata);
      const cek = await key.unwrap(Buffer.from(members.encrypted_key, 'base64url'), {});
      const decipher = createDecipheriv('aes-256-gcm', cek, Buffer.from(members.iv, 'base64url'));
      decipher.setAAD(Buffer.from(members.protected)).setAuthTag(Buffer.from(members.tag, 'base64url'));
      expect(Buffer.concat([decipher.update(encryptedData), decipher.final()]).equals(data)).toBe(true);
    }
  });

  it('the metadata is a Flattened JWE without its ciphertext, to the key in the token', async () => {
    const { encryptionMetadata } = await encryptEnvelope(key.token, pattern(5));
    const members = open(encryptionMetadata);
    expect(Object.keys(members).sort()).toEqual(['encrypted_key', 'iv', 'protected', 'tag']);
    expect(JSON.parse(Buffer.from(members.protected, 'base64url').toString())).toEqual({
      alg: 'RSA-OAEP-256',
      enc: 'A256GCM',
      kid: 'TpmEphemeralEncryptionKey',
      jkt: key.thumbprint,
    });
    expect(Buffer.from(members.iv, 'base64url')).toHaveLength(12);
    expect(Buffer.from(members.tag, 'base64url')).toHaveLength(16);
    expect(Buffer.from(members.encrypted_key, 'base64url')).toHaveLength(256);
  });

  it('two messages share neither key nor IV', async () => {
    const [a, b] = [await encryptEnvelope(key.token, pattern(5)), await encryptEnvelope(key.token, pattern(5))];
    expect(a.encryptedData.equals(b.encryptedData)).toBe(false);
    expect(open(a.encryptionMetadata).iv).not.toBe(open(b.encryptionMetadata).iv);
    expect(open(a.encryptionMetadata).encrypted_key).not.toBe(open(b.encryptionMetadata).encrypted_key);
  });

  it('jose opens it, with and without additional data', async () => {
    for (const additionalData of [undefined, Buffer.from('order 42')]) {
      const options = additionalData === undefined ? {} : { additionalData };
      const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(1000), options);
      const jwe = { ...open(encryptionMetadata), ciphertext: encryptedData.toString('base64url') };
      const opened = await flattenedDecrypt(jwe, key.privateKey);
      expect(Buffer.from(opened.plaintext).equals(pattern(1000))).toBe(true);
      if (additionalData !== undefined) {
        expect(Buffer.from(opened.additionalAuthenticatedData as Uint8Array)).toEqual(additionalData);
      }
    }
  });

  it('what jose makes with the same key opens here', async () => {
    const { ciphertext, ...members } = await new FlattenedEncrypt(pattern(1000))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
      .setAdditionalAuthenticatedData(Buffer.from('order 42'))
      .encrypt(key.publicKey);
    const data = Buffer.from(ciphertext, 'base64url');
    expect(await decryptEnvelope(data, close(members), key.unwrap)).toEqual(pattern(1000));
    const additionalData = Buffer.from('order 43');
    await expect(decryptEnvelope(data, close(members), key.unwrap, { additionalData })).rejects.toEqual(refused(26));
  });

  it('additional data is bound: other, missing or added data does not open', async () => {
    const data = pattern(64);
    const sealed = await encryptEnvelope(key.token, data, { additionalData: Buffer.from('a') });
    const decrypt = (members: unknown, additionalData?: Buffer) =>
      decryptEnvelope(
        sealed.encryptedData,
        close(members),
        key.unwrap,
        additionalData === undefined ? {} : { additionalData },
      );
    const members = open(sealed.encryptionMetadata);
    expect(await decrypt(members, Buffer.from('a'))).toEqual(data);
    expect(await decrypt(members)).toEqual(data);
    await expect(decrypt(members, Buffer.from('b'))).rejects.toEqual(refused(26));
    await expect(decrypt(members, Buffer.alloc(0))).rejects.toEqual(refused(26));
    await expect(decrypt({ ...members, aad: 'Yg' })).rejects.toEqual(refused(26));
    const { aad: _, ...without } = members;
    await expect(decrypt(without)).rejects.toEqual(refused(26));
  });

  it('writes into memory of the caller, in place as well', async () => {
    for (const size of [100, 2_000_000]) {
      const data = pattern(size);
      const output = Buffer.alloc(size + 10, 7);
      const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, data, { output });
      expect(encryptedData.buffer).toBe(output.buffer);
      expect(output.subarray(size)).toEqual(Buffer.alloc(10, 7));
      const plain = await decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap, { output: encryptedData });
      expect(plain.buffer).toBe(output.buffer);
      expect(output.subarray(0, size).equals(data)).toBe(true);
    }
  });

  it('refuses memory that cannot be used safely', async () => {
    const call = (data: unknown, output?: unknown) =>
      encryptEnvelope(key.token, data as Buffer, output === undefined ? {} : { output: output as Buffer });
    const refusal = refused(ErrorCode.INVALID_INPUT_PARAMETER);
    await expect(call('text')).rejects.toEqual(refusal);
    await expect(call(undefined)).rejects.toEqual(refusal);
    await expect(call(new Uint8Array(new SharedArrayBuffer(8)))).rejects.toEqual(refusal);
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await expect(call(detached)).rejects.toEqual(refusal);
    await expect(call(pattern(8), Buffer.alloc(7))).rejects.toEqual(refusal);
    const memory = Buffer.alloc(32);
    await expect(call(memory.subarray(0, 16), memory.subarray(8))).rejects.toEqual(refusal);
    await expect(encryptEnvelope(key.token, pattern(8), { additionalData: 'x' as unknown as Buffer })).rejects.toEqual(
      refusal,
    );
  });

  it.each([100, 1_500_000])('a changed byte anywhere in %i bytes or their metadata does not open', async (size) => {
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(size));
    const members = open(encryptionMetadata);
    const messages = new Set<string>();
    const expect26 = async (data: Uint8Array, metadata: Buffer) => {
      const output = Buffer.alloc(size, 0xee);
      const error = await decryptEnvelope(data, metadata, key.unwrap, { output }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(AttestationError);
      expect(error).toMatchObject({ code: 26, tpmErrorCode: 0 });
      expect((error as Error).cause).toBeUndefined();
      expect(output.every((byte) => byte === 0)).toBe(true);
      messages.add((error as Error).message);
    };
    for (const at of [0, size >> 1, size - 1]) await expect26(flip(encryptedData, at), encryptionMetadata);
    for (const [member, bytes] of [
      ['iv', 12],
      ['tag', 16],
      ['encrypted_key', 256],
    ] as const) {
      for (const at of [0, bytes - 1]) {
        const changed = flip(Buffer.from(members[member], 'base64url'), at).toString('base64url');
        await expect26(encryptedData, close({ ...members, [member]: changed }));
      }
    }
    const other = await encryptEnvelope(key.token, pattern(size));
    await expect26(encryptedData, other.encryptionMetadata);
    // The wrong key (padding), the wrong tag, the wrong metadata: nothing tells them apart.
    expect(messages.size).toBe(1);
  });

  it('a truncated or extended ciphertext does not open', async () => {
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(100));
    for (const data of [
      encryptedData.subarray(0, 99),
      Buffer.alloc(0),
      Buffer.concat([encryptedData, Buffer.alloc(1)]),
    ])
      await expect(decryptEnvelope(data, encryptionMetadata, key.unwrap)).rejects.toEqual(refused(26));
  });

  it('a ciphertext to another key does not open', async () => {
    const other = softwareKey();
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(other.token, pattern(100));
    await expect(decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap)).rejects.toEqual(refused(26));
  });

  it('metadata that is not such a JWE is refused before any key is used', async () => {
    const { encryptedData, encryptionMetadata } = await encryptEnvelope(key.token, pattern(100));
    const members = open(encryptionMetadata);
    const header = JSON.parse(Buffer.from(members.protected, 'base64url').toString());
    const withHeader = (changes: object) =>
      close({ ...members, protected: Buffer.from(JSON.stringify({ ...header, ...changes })).toString('base64url') });
    const bad: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      'no base64': Buffer.from('{}'),
      'no JSON': Buffer.from(Buffer.from('{').toString('base64')),
      'no object': close([]),
      'no members': close({}),
      'alg none': withHeader({ alg: 'none' }),
      'alg dir': withHeader({ alg: 'dir' }),
      'alg RSA1_5': withHeader({ alg: 'RSA1_5' }),
      'alg RSA-OAEP': withHeader({ alg: 'RSA-OAEP' }),
      'no alg': withHeader({ alg: undefined }),
      'enc A128GCM': withHeader({ enc: 'A128GCM' }),
      'enc A256CBC-HS512': withHeader({ enc: 'A256CBC-HS512' }),
      zip: withHeader({ zip: 'DEF' }),
      crit: withHeader({ crit: ['exp'], exp: 1 }),
      'jkt no string': withHeader({ jkt: 7 }),
      'a session': withHeader({ typ: 'cvm-session+jwe' }),
      'a stream': withHeader({ typ: 'cvm-stream+jwe' }),
      'oversized header': withHeader({ x: 'x'.repeat(5000) }),
      'header no JSON': close({ ...members, protected: 'AAAA' }),
      'alg twice in the header': close({
        ...members,
        protected: Buffer.from(`{"alg":"none",${JSON.stringify(header).slice(1)}`).toString('base64url'),
      }),
      'a header nested deeply': withHeader({ x: JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) }),
      'a member twice': Buffer.from(Buffer.from(`{"iv":"AAAA",${JSON.stringify(members).slice(1)}`).toString('base64')),
      'header an array': close({ ...members, protected: Buffer.from('[]').toString('base64url') }),
      'header no base64url': close({ ...members, protected: '+/==' }),
      'a ciphertext inside': close({ ...members, ciphertext: 'AAAA' }),
      'an unprotected header': close({ ...members, unprotected: { alg: 'none' } }),
      'a recipient header': close({ ...members, header: { alg: 'none' } }),
      'iv of 11 bytes': close({ ...members, iv: Buffer.alloc(11).toString('base64url') }),
      'iv of 16 bytes': close({ ...members, iv: Buffer.alloc(16).toString('base64url') }),
      'no iv': close({ ...members, iv: undefined }),
      'tag of 4 bytes': close({ ...members, tag: Buffer.alloc(4).toString('base64url') }),
      'tag of 15 bytes': close({ ...members, tag: Buffer.alloc(15).toString('base64url') }),
      'encrypted_key of 255 bytes': close({ ...members, encrypted_key: Buffer.alloc(255).toString('base64url') }),
      'no encrypted_key': close({ ...members, encrypted_key: '' }),
      'aad no base64url': close({ ...members, aad: '+' }),
      'bits left over in iv': close({ ...members, tag: `${members.tag.slice(0, -1)}_` }),
    };
    const before = key.unwraps;
    for (const [name, metadata] of Object.entries(bad)) {
      const error = await decryptEnvelope(encryptedData, metadata, key.unwrap).catch((caught: unknown) => caught);
      expect(error, name).toEqual(refused(8));
    }
    expect(key.unwraps).toBe(before);
  });
});

describe('compact JWE', () => {
  it.each(SIZES)('%i bytes: jose opens ours, we open theirs', async (size) => {
    const data = pattern(size);
    const ours = await encryptJwe(key.token, data);
    expect((await decryptJwe(ours, key.unwrap)).equals(data)).toBe(true);
    expect(Buffer.from((await compactDecrypt(ours, key.privateKey)).plaintext).equals(data)).toBe(true);
    const theirs = await new CompactEncrypt(data)
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'TpmEphemeralEncryptionKey' })
      .encrypt(key.publicKey);
    expect((await decryptJwe(theirs, key.unwrap)).equals(data)).toBe(true);
  });

  it('carries a content type', async () => {
    const jwe = await encryptJwe(key.token, pattern(3), { contentType: 'JWT' });
    expect((await compactDecrypt(jwe, key.privateKey)).protectedHeader.cty).toBe('JWT');
    expect(await decryptJwe(jwe, key.unwrap)).toEqual(pattern(3));
  });

  it('refuses other algorithms of jose and what is not a compact JWE', async () => {
    const jwe = await encryptJwe(key.token, pattern(10));
    const make = (alg: string, enc: string) =>
      new CompactEncrypt(pattern(10)).setProtectedHeader({ alg, enc }).encrypt(key.publicKey);
    const [header, , iv, ciphertext, tag] = jwe.split('.');
    const bad = [
      await make('RSA-OAEP', 'A256GCM'),
      await make('RSA-OAEP-512', 'A256GCM'),
      await make('RSA-OAEP-256', 'A128GCM'),
      await make('RSA-OAEP-256', 'A256CBC-HS512'),
      '',
      'a.b.c',
      `${jwe}.`,
      `.${jwe}`,
      `${header}..${iv}.${ciphertext}.${tag}`,
      jwe.replace(/\.[^.]*$/, '.'),
      jwe.slice(0, -1),
      `${jwe}=`,
      jwe.replace(`.${ciphertext}.`, `.${ciphertext}*.`),
      jwe.replace(`.${ciphertext}.`, `.+${ciphertext?.slice(1)}.`),
      undefined as unknown as string,
    ];
    const before = key.unwraps;
    for (const text of bad) await expect(decryptJwe(text, key.unwrap), text).rejects.toEqual(refused(8));
    expect(key.unwraps).toBe(before);
  });
});
