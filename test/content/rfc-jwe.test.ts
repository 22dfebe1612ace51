import {
  constants,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  type JsonWebKeyInput,
  privateDecrypt,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { generalDecrypt, importJWK, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { decryptEnvelope } from '../../lib/content/envelope.js';
import { decryptJwe } from '../../lib/content/jwe.js';
import { native } from '../../lib/native.js';

// Every JWE example of RFC 7516 appendix A and RFC 7520 section 5. None of them is RSA-OAEP-256 with A256GCM, which is all
// that opens here: each must be refused before a key is used, whatever form it comes in. What they have in common with it runs:
// the AES-256-GCM of two of them here, the RSA blocks of 2048 bits in the TPM (cpp/test/tpm/rfc_jwe_test.cc).

interface Recipient {
  key: string;
  encrypted_key?: string;
  header?: Record<string, unknown>;
}

interface Example {
  section: string;
  plaintext: string;
  cek?: string;
  protected?: Record<string, unknown>;
  unprotected?: Record<string, unknown>;
  aad?: string;
  recipients: Recipient[];
  iv: string;
  ciphertext: string;
  tag: string;
}

const { keys, plaintexts, examples } = JSON.parse(readFileSync(new URL('rfc-jwe.json', import.meta.url), 'utf8')) as {
  keys: Record<string, JWK | string>;
  plaintexts: Record<string, string>;
  examples: Example[];
};

const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
const encodedHeader = (example: Example): string | undefined =>
  example.protected && Buffer.from(JSON.stringify(example.protected)).toString('base64url');
const algorithmOf = (example: Example, recipient: Recipient): string =>
  ({ ...example.protected, ...example.unprotected, ...recipient.header }).alg as string;

/** What the tag covers besides the ciphertext. */
const authenticated = (example: Example): Buffer =>
  Buffer.from([encodedHeader(example) ?? '', ...(example.aad === undefined ? [] : [example.aad])].join('.'));

/** The members of the JSON serializations but those of its recipients. */
function serialized(example: Example) {
  const { unprotected, aad, iv, ciphertext, tag } = example;
  const header = encodedHeader(example);
  return {
    ...(header !== undefined && { protected: header }),
    ...(unprotected && { unprotected }),
    ...(aad !== undefined && { aad }),
    iv,
    ciphertext,
    tag,
  };
}

/** RSAES-PKCS1-v1_5, which neither jose nor Node still decrypt: 00 02, padding, 00, message (RFC 8017 section 7.2.2). */
function rsa15(jwk: JWK, block: Buffer): Buffer {
  const key = createPrivateKey({ key: jwk, format: 'jwk' } as JsonWebKeyInput);
  const padded = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block);
  expect(padded.readUInt16BE()).toBe(2);
  return padded.subarray(padded.indexOf(0, 2) + 1);
}

/** A128CBC-HS256 (RFC 7518 section 5.2.2.2). */
function openCbc(example: Example, key: Buffer): Buffer {
  const [aad, iv, ciphertext] = [authenticated(example), bytes(example.iv), bytes(example.ciphertext)];
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(aad.length * 8));
  const mac = createHmac('sha256', key.subarray(0, 16))
    .update(Buffer.concat([aad, iv, ciphertext, length]))
    .digest();
  expect(mac.subarray(0, 16)).toEqual(bytes(example.tag));
  const decipher = createDecipheriv('aes-128-cbc', key.subarray(16), iv);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

async function openElsewhere(example: Example, recipient: Recipient): Promise<Buffer> {
  const algorithm = algorithmOf(example, recipient);
  const key = keys[recipient.key] as JWK | string;
  if (algorithm === 'RSA1_5') {
    const contentKey = rsa15(key as JWK, bytes(recipient.encrypted_key ?? ''));
    expect(contentKey).toEqual(bytes(example.cek ?? ''));
    return openCbc(example, contentKey);
  }
  const { key: _, ...members } = recipient;
  const { plaintext } = await generalDecrypt(
    { ...serialized(example), recipients: [members] },
    typeof key === 'string' ? Buffer.from(key) : await importJWK(key, algorithm),
    { keyManagementAlgorithms: [algorithm] },
  );
  return Buffer.from(plaintext);
}

const never = async (): Promise<Uint8Array> => expect.unreachable('no key may be used');
const refused = { name: 'AttestationError', code: 8 };

describe.each(examples)('$section', (example) => {
  const [first = { key: '' }] = example.recipients;

  it.each(example.recipients)('is what was published: it opens elsewhere with the key of $key', async (recipient) => {
    expect((await openElsewhere(example, recipient)).toString()).toBe(plaintexts[example.plaintext]);
  });

  it('is refused as a compact JWE', async () => {
    const parts = [
      encodedHeader(example) ?? '',
      first.encrypted_key ?? '',
      example.iv,
      example.ciphertext,
      example.tag,
    ];
    await expect(decryptJwe(parts.join('.'), never)).rejects.toMatchObject(refused);
    // Not for the sizes of what is in it: with those of ours it is its header.
    const part = (size: number) => Buffer.alloc(size, 1).toString('base64url');
    const ours = [parts[0], part(256), part(12), part(40), part(16)].join('.');
    const why = example.protected === undefined ? 'no protected header' : /must have (alg|enc)/;
    await expect(decryptJwe(ours, never)).rejects.toThrow(why);
  });

  it('is refused as an envelope, in the flattened form and with its list of recipients', async () => {
    const { ciphertext, ...members } = serialized(example);
    const { key: _, ...recipient } = first;
    const lists = { ...members, recipients: example.recipients.map(({ key: _key, ...rest }) => rest) };
    for (const form of [{ ...members, ...recipient }, lists]) {
      const metadata = Buffer.from(Buffer.from(JSON.stringify(form)).toString('base64'));
      await expect(decryptEnvelope(bytes(ciphertext), metadata, never)).rejects.toMatchObject(refused);
    }
  });
});

const a256gcm = examples.filter((example) => example.protected?.enc === 'A256GCM');

it.each(a256gcm)('the AES-256-GCM of $section comes out here byte by byte', (example) => {
  const { ContentKey } = native();
  const [iv, ciphertext, tag] = [bytes(example.iv), bytes(example.ciphertext), bytes(example.tag)];
  const aad = authenticated(example);
  const plaintext = Buffer.from(plaintexts[example.plaintext] ?? '');
  const [sealed, sealedTag] = [Buffer.alloc(plaintext.length), Buffer.alloc(16)];
  new ContentKey(bytes(example.cek ?? '')).seal(iv, aad, sealedTag, plaintext, sealed);
  expect([sealed, sealedTag]).toEqual([ciphertext, tag]);
  new ContentKey(bytes(example.cek ?? '')).open(iv, aad, tag, ciphertext, sealed);
  expect(sealed).toEqual(plaintext);
});

it('the vectors above are all of rfc-jwe.json', () => {
  expect(examples).toHaveLength(5 + 13);
  expect(a256gcm).toHaveLength(2);
});

it.each(['zip', 'crit'])('RSA-OAEP-256 with A256GCM and %s is refused as well', async (member) => {
  const header = { alg: 'RSA-OAEP-256', enc: 'A256GCM', [member]: member === 'zip' ? 'DEF' : ['exp'] };
  const part = (size: number) => Buffer.alloc(size, 1).toString('base64url');
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url');
  const jwe = [encoded, part(256), part(12), part(40), part(16)].join('.');
  await expect(decryptJwe(jwe, never)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(member) });
});
