import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openGuestEnvelope } from '../../lib/guest/open-envelope.js';
import { parseGuestEnvelope } from '../../lib/maa/guest-envelope.js';

const jwt = 'eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl';

/** An envelope as the service makes it. */
function seal(options: { keyBytes?: 16 | 24 | 32; ivBytes?: number; aad?: string; plaintext?: string } = {}) {
  const { keyBytes = 32, ivBytes = 12, aad = 'Transport Key', plaintext = jwt } = options;
  const key = randomBytes(keyBytes);
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(`aes-${(keyBytes * 8) as 256}-gcm`, key, iv);
  cipher.setAAD(Buffer.from(aad));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const envelope = {
    EncryptedInnerKey: randomBytes(256).toString('base64'),
    EncryptionParams: {
      BlockMode: 'ChainingModeGCM',
      BlockPadding: 'PKCS7',
      Cipher: 'AES',
      KeySizeInBits: keyBytes * 8,
      Iv: iv.toString('base64'),
    },
    AuthenticationData: cipher.getAuthTag().toString('base64'),
    Jwt: ciphertext.toString('base64'),
  };
  return { key, envelope };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const refused = expect.objectContaining({ name: 'AttestationError', code: 14 });

describe("the service's envelope", () => {
  it.each<[string, (json: string) => string]>([
    ['names a member twice', (json) => json.replace('{', '{"Jwt":"AAAA",')],
    ['names an inner member twice', (json) => json.replace('"Cipher"', '"Cipher":"AES","Cipher"')],
    ['is nested deeply', (json) => json.replace('{', `{"x":${'['.repeat(40)}${']'.repeat(40)},`)],
    ['has something after its end', (json) => `${json}{}`],
  ])('is refused when it %s', (_, change) => {
    const json = change(JSON.stringify(seal().envelope));
    expect(() => parseGuestEnvelope(Buffer.from(json).toString('base64url'))).toThrow(refused);
  });

  it.each([8, 12, 16])('opens with an IV of %i bytes', (ivBytes) => {
    const { key, envelope } = seal({ ivBytes });
    expect(openGuestEnvelope(parseGuestEnvelope(encode(envelope)), key)).toBe(jwt);
  });

  it('takes the cipher from the inner key, whatever KeySizeInBits says', () => {
    const { key, envelope } = seal({ keyBytes: 16 });
    envelope.EncryptionParams.KeySizeInBits = 256;
    expect(openGuestEnvelope(parseGuestEnvelope(encode(envelope)), key)).toBe(jwt);
  });

  it('opens only with its own key, tag and additional data', () => {
    const { key, envelope } = seal();
    expect(() => openGuestEnvelope(parseGuestEnvelope(encode(envelope)), randomBytes(32))).toThrow(refused);
    const parsed = parseGuestEnvelope(encode(envelope));
    parsed.tag[0] = (parsed.tag[0] ?? 0) ^ 1;
    expect(() => openGuestEnvelope(parsed, key)).toThrow(refused);
    const other = seal({ aad: 'Transport key' });
    expect(() => openGuestEnvelope(parseGuestEnvelope(encode(other.envelope)), other.key)).toThrow(refused);
  });

  it.each([0, 15, 17, 31, 33])('is refused with an inner key of %i bytes', (size) => {
    const { envelope } = seal();
    expect(() => openGuestEnvelope(parseGuestEnvelope(encode(envelope)), randomBytes(size))).toThrow(refused);
  });

  it.each(['', 'not a token', 'a.b', `${jwt}\n`, `${jwt}\0`, '<html>'])('is refused when it holds %j', (plaintext) => {
    const { key, envelope } = seal({ plaintext });
    expect(() => openGuestEnvelope(parseGuestEnvelope(encode(envelope)), key)).toThrow(refused);
  });

  const { envelope } = seal();
  const parameters = envelope.EncryptionParams;
  it.each<[string, string]>([
    ['no base64', '***'],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['null', encode(null)],
    ['an array', encode([])],
    ['a string', encode('x')],
    ['without parameters', encode({ ...envelope, EncryptionParams: undefined })],
    ['with parameters that are a string', encode({ ...envelope, EncryptionParams: 'AES' })],
    ['with another cipher', encode({ ...envelope, EncryptionParams: { ...parameters, Cipher: 'DES' } })],
    ['with another mode', encode({ ...envelope, EncryptionParams: { ...parameters, BlockMode: 'ChainingModeCBC' } })],
    ['with another padding', encode({ ...envelope, EncryptionParams: { ...parameters, BlockPadding: 'None' } })],
    ['with a key size of 0', encode({ ...envelope, EncryptionParams: { ...parameters, KeySizeInBits: 0 } })],
    ['with a key size in words', encode({ ...envelope, EncryptionParams: { ...parameters, KeySizeInBits: '256' } })],
    ['without an IV', encode({ ...envelope, EncryptionParams: { ...parameters, Iv: undefined } })],
    ['with an endless IV', encode({ ...envelope, EncryptionParams: { ...parameters, Iv: 'A'.repeat(4096) } })],
    ['with a tag of one byte', encode({ ...envelope, AuthenticationData: 'qg==' })],
    ['with a tag of 15 bytes', encode({ ...envelope, AuthenticationData: Buffer.alloc(15).toString('base64') })],
    ['with a tag that is a number', encode({ ...envelope, AuthenticationData: 7 })],
    [
      'with an inner key of 128 bytes',
      encode({ ...envelope, EncryptedInnerKey: Buffer.alloc(128).toString('base64') }),
    ],
    ['without an inner key', encode({ ...envelope, EncryptedInnerKey: null })],
    ['without a token', encode({ ...envelope, Jwt: '' })],
    ['with a token that is an object', encode({ ...envelope, Jwt: {} })],
    ['with a token that is not base64', encode({ ...envelope, Jwt: 'a b' })],
  ])('is refused %s', (_, token) => {
    expect(() => parseGuestEnvelope(token)).toThrow(refused);
  });
});
