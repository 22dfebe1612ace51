import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compactDecrypt } from 'jose';
import { describe, expect, it } from 'vitest';
import { createDecryptor } from '../../lib/content/decryptor.js';
import { decryptEnvelope } from '../../lib/content/envelope.js';
import { decryptJwe } from '../../lib/content/jwe.js';
import { decryptChunks } from '../../lib/content/stream-open.js';
import { softwareKeyFrom } from './software-key.js';

interface Vectors {
  key: JsonWebKey;
  plaintext: string;
  additionalData: string;
  envelope: { encryptedData: string; encryptionMetadata: string };
  jwe: string;
  session: { metadata: string; messages: [string, string] };
  orderedSession: { metadata: string; messages: [string, string] };
  stream: string;
}

const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as Vectors;
const guide = readFileSync(new URL('../../docs/encryption.md', import.meta.url), 'utf8');
const privateKey = createPrivateKey({ key: vectors.key, format: 'jwk' });
const key = softwareKeyFrom(createPublicKey({ key: vectors.key, format: 'jwk' }), privateKey);
const hex = (text: string) => Buffer.from(text, 'hex');
const additionalData = Buffer.from(vectors.additionalData);

/** The rows of the worked example that begins with `input key`. */
function example(nth: number): Map<string, string> {
  const blocks = [...guide.matchAll(/```text\n(input key[\s\S]*?)```/g)].map((match) => match[1] as string);
  const rows = (blocks[nth] as string).trim().split('\n');
  return new Map(rows.map((row) => [row.slice(0, 13).trim(), row.slice(13).replaceAll(' ', '')]));
}

function hkdfExpand(prk: Buffer, info: Buffer, size: number): Buffer {
  const first = createHmac('sha512', prk)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
  const second = createHmac('sha512', prk)
    .update(first)
    .update(info)
    .update(Buffer.from([2]))
    .digest();
  return Buffer.concat([first, second]).subarray(0, size);
}

function open(aesKey: Buffer, nonce: Buffer, sealed: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', aesKey, nonce).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString();
}

describe('stored messages of every format', () => {
  it('open with the stored key', async () => {
    const { envelope, session, orderedSession } = vectors;
    const opened = await decryptEnvelope(
      hex(envelope.encryptedData),
      Buffer.from(envelope.encryptionMetadata),
      key.unwrap,
      { additionalData },
    );
    expect(opened.toString()).toBe(vectors.plaintext);
    expect((await decryptJwe(vectors.jwe, key.unwrap)).toString()).toBe(vectors.plaintext);

    const decryptor = await createDecryptor(Buffer.from(session.metadata), key.unwrap, { additionalData });
    expect(session.messages.map((message) => decryptor.decrypt(hex(message)).toString())).toEqual([
      vectors.plaintext,
      '',
    ]);
    const ordered = await createDecryptor(Buffer.from(orderedSession.metadata), key.unwrap, { ordered: true });
    for (const message of orderedSession.messages) ordered.decrypt(hex(message));
    expect(ordered.finished).toBe(true);

    const pieces: Buffer[] = [];
    for await (const piece of decryptChunks([hex(vectors.stream)], key.unwrap, { additionalData })) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe(vectors.plaintext);
    for (const end of [decryptor, ordered]) end.close();
  });

  it('the session is what the guide says, by node:crypto and jose alone', async () => {
    const rows = example(0);
    const { metadata, messages } = vectors.session;
    const inputKey = Buffer.from((await compactDecrypt(metadata, privateKey)).plaintext);
    expect(inputKey.toString('hex')).toBe(rows.get('input key'));
    const info = Buffer.concat([Buffer.from(`cvm-guest-attestation session v1\0${metadata}\0`), additionalData]);
    const okm = hkdfExpand(inputKey, info, 36);
    expect(okm.subarray(0, 32).toString('hex')).toBe(rows.get('key'));
    expect(okm.subarray(32).toString('hex')).toBe(rows.get('fixed field'));
    const plain = messages.map((message, i) => {
      expect(message).toBe(rows.get(`message ${i}`));
      const nonce = Buffer.concat([okm.subarray(32), hex(message).subarray(0, 8)]);
      return open(okm.subarray(0, 32), nonce, hex(message).subarray(8));
    });
    expect(plain).toEqual([vectors.plaintext, '']);
  });

  it('the stream is what the guide says, by node:crypto and jose alone', async () => {
    const rows = example(1);
    const stream = hex(vectors.stream);
    const n = stream.readUInt16BE(8);
    expect(guide).toContain(`n = ${n})`);
    const header = stream.subarray(0, 10 + n);
    const inputKey = Buffer.from((await compactDecrypt(header.subarray(10).toString(), privateKey)).plaintext);
    expect(inputKey.toString('hex')).toBe(rows.get('input key'));
    const salt = stream.subarray(10 + n, 34 + n);
    const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0');
    const okm = hkdfExpand(inputKey, Buffer.concat([label, salt, header, additionalData]), 76);
    expect(salt.toString('hex')).toBe(rows.get('salt'));
    expect(okm.subarray(0, 32).toString('hex')).toBe(rows.get('key'));
    expect(okm.subarray(32, 44).toString('hex')).toBe(rows.get('base nonce'));
    expect(okm.subarray(44).toString('hex')).toBe(rows.get('commitment'));
    expect(stream.subarray(34 + n, 66 + n)).toEqual(okm.subarray(44));
    expect(stream.subarray(66 + n).toString('hex')).toBe(rows.get('chunk 0'));
    expect(open(okm.subarray(0, 32), okm.subarray(32, 44), stream.subarray(66 + n))).toBe(vectors.plaintext);
  });
});
