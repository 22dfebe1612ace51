import { constants, generateKeyPairSync, privateDecrypt, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EncryptionType, encrypt } from '../../lib/index.js';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'TpmEphemeralEncryptionKey' };
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = `${encode({ alg: 'RS256' })}.${encode({ 'x-ms-runtime': { keys: [jwk] } })}.c2ln`;
const None = { type: EncryptionType.None };

describe('one RSA block', () => {
  it.each([
    ['SHA-1', 'sha1'],
    ['SHA-256', 'sha256'],
    ['SHA-384', 'sha384'],
    ['SHA-512', 'sha512'],
  ] as const)('of OAEP with %s opens with any OAEP', async (hash, oaepHash) => {
    const data = randomBytes(32);
    const { encryptedData, encryptionMetadata } = await encrypt(token, data, { ...None, hash });
    expect(encryptionMetadata.length).toBe(0);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    expect(privateDecrypt({ key: privateKey, padding, oaepHash }, encryptedData)).toEqual(data);
  });

  it('of RSAES is PKCS #1 v1.5, type 2', async () => {
    const data = randomBytes(32);
    const { encryptedData } = await encrypt(token, data, { ...None, scheme: 'RSAES' });
    const block = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encryptedData);
    expect([block[0], block[1], block.indexOf(0, 2)]).toEqual([0, 2, 256 - 33]);
    expect(block.subarray(-32)).toEqual(data);
  });

  it('goes to a key from verified evidence as well as from a token', async () => {
    const { encryptedData } = await encrypt({ kty: 'RSA', n: String(jwk.n), e: 'AQAB' }, Buffer.from('x'), None);
    expect(privateDecrypt({ key: privateKey, oaepHash: 'sha256' }, encryptedData).toString()).toBe('x');
  });

  it.each<[string, number, unknown[]]>([
    ['no data', 8, [token, undefined, None]],
    ['empty data', 8, [token, new Uint8Array(), None]],
    ['text', 8, [token, 'text', None]],
    ['no token', 8, [undefined, Buffer.from('x'), None]],
    ['options that are null', 8, [token, Buffer.from('x'), null]],
    ['an unknown type', 8, [token, Buffer.from('x'), { type: 'Some' }]],
    ['additional data, which one block cannot bind,', 8, [token, Buffer.from('x'), { ...None, additionalData: token }]],
    ['a token that is none', 22, ['x', Buffer.from('x'), None]],
    ['a key that is not an RSA key', 23, [{ kty: 'EC' }, Buffer.from('x'), None]],
    ['an unknown scheme', 24, [token, Buffer.from('x'), { ...None, scheme: 'RAW' }]],
    ['a scheme that is an object', 24, [token, Buffer.from('x'), { ...None, scheme: Object.create(null) }]],
    [
      'an unknown hash, even where none is used',
      24,
      [token, Buffer.from('x'), { ...None, scheme: 'RSAES', hash: 'MD5' }],
    ],
    ['a byte too many for OAEP', 25, [token, randomBytes(191), None]],
    ['a byte too many for RSAES', 25, [token, randomBytes(246), { ...None, scheme: 'RSAES' }]],
  ])('refuses %s with %i', async (_, code, args) => {
    const call = encrypt as (...args: unknown[]) => Promise<unknown>;
    await expect(call(...args)).rejects.toMatchObject({ name: 'AttestationError', code, tpmErrorCode: 0 });
  });
});
