import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

type Hash = 'SHA-256' | 'SHA-384' | 'SHA-512';
const HASHES: Hash[] = ['SHA-256', 'SHA-384', 'SHA-512'];
const CURVES = ['P-256', 'P-384', 'P-521'] as const;

const bytes = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64url'));

function nativeKey(key: KeyObject) {
  const jwk = key.export({ format: 'jwk' });
  const { PublicKey } = native();
  return jwk.kty === 'RSA'
    ? new PublicKey('rsa', bytes(jwk.n), bytes(jwk.e))
    : new PublicKey(jwk.crv as (typeof CURVES)[number], bytes(jwk.x), bytes(jwk.y));
}

const nodeHash = (hash: Hash) => hash.replace('-', '').toLowerCase();
const flipped = (data: Uint8Array, bit: number) => {
  const copy = new Uint8Array(data);
  copy[(bit >> 3) % copy.length] = (copy[(bit >> 3) % copy.length] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaKey = nativeKey(rsa.publicKey);

describe('PublicKey of the addon', () => {
  for (const curve of CURVES) {
    const pair = generateKeyPairSync('ec', { namedCurve: curve });
    const key = nativeKey(pair.publicKey);
    it.each(HASHES)(`verifies an ECDSA signature on ${curve} with %s, and none with a bit flipped`, (hash) => {
      const message = new Uint8Array(randomBytes(100));
      const signature = new Uint8Array(
        sign(nodeHash(hash), message, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }),
      );
      expect(key.verify('ecdsa', hash, message, signature)).toBe(true);
      fc.assert(
        fc.property(fc.nat(), (bit) => {
          expect(key.verify('ecdsa', hash, message, flipped(signature, bit % (signature.length * 8)))).toBe(false);
          expect(key.verify('ecdsa', hash, flipped(message, bit), signature)).toBe(false);
        }),
        { numRuns: 20 },
      );
    });

    it(`refuses a point that is not on ${curve}`, () => {
      const { x, y } = pair.publicKey.export({ format: 'jwk' });
      expect(() => new (native().PublicKey)(curve, bytes(x), flipped(bytes(y), 7))).toThrow(
        expect.objectContaining({ kind: 'crypto' }),
      );
      expect(() => new (native().PublicKey)(curve, bytes(x).subarray(1), bytes(y))).toThrow(
        expect.objectContaining({ kind: 'crypto' }),
      );
    });

    it(`answers false for r, s of zero, of the order's size and for wrong lengths on ${curve}`, () => {
      const size = bytes(pair.publicKey.export({ format: 'jwk' }).x).length;
      const message = new Uint8Array(10);
      for (const signature of [
        new Uint8Array(2 * size),
        new Uint8Array(2 * size).fill(255),
        new Uint8Array(2 * size - 1),
        new Uint8Array(2 * size + 2),
        new Uint8Array(),
      ]) {
        expect(key.verify('ecdsa', 'SHA-256', message, signature)).toBe(false);
      }
    });
  }

  it.each(HASHES)('verifies RSASSA-PKCS1-v1_5 with %s, under no other hash and at no other length', (hash) => {
    const message = new Uint8Array(randomBytes(1000));
    const signature = new Uint8Array(sign(nodeHash(hash), message, rsa.privateKey));
    for (const other of HASHES) {
      expect(rsaKey.verify('rsa-pkcs1', other, message, signature)).toBe(other === hash);
    }
    expect(rsaKey.verify('rsa-pss', hash, message, signature, 32)).toBe(false);
    expect(rsaKey.verify('rsa-pkcs1', hash, message, signature.subarray(1))).toBe(false);
    expect(rsaKey.verify('rsa-pkcs1', hash, message, new Uint8Array([0, ...signature]))).toBe(false);
  });

  it.each(HASHES)('verifies RSASSA-PSS with %s and the salt length that was asked for, no other', (hash) => {
    const message = new Uint8Array(randomBytes(33));
    for (const saltLength of [0, 20, 32, 48, 64]) {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      const signature = new Uint8Array(sign(nodeHash(hash), message, { key: rsa.privateKey, padding, saltLength }));
      for (const asked of [0, 20, 32, 48, 64, 5000, 2 ** 32 - 2]) {
        expect(rsaKey.verify('rsa-pss', hash, message, signature, asked)).toBe(asked === saltLength);
      }
    }
  });

  it('refuses RSA keys that cannot be one: even, too short, too long, exponent 1 or 2', () => {
    const { n } = rsa.publicKey.export({ format: 'jwk' });
    const modulus = bytes(n);
    const even = new Uint8Array(modulus);
    even[even.length - 1] = (even.at(-1) ?? 0) & 0xfe;
    const { PublicKey } = native();
    const e = new Uint8Array([1, 0, 1]);
    const wrong: [Uint8Array, Uint8Array][] = [
      [even, e],
      [modulus.subarray(200), e],
      [new Uint8Array(2000).fill(255), e],
      [modulus, new Uint8Array([1])],
      [modulus, new Uint8Array([2])],
      [modulus, new Uint8Array(9).fill(255)],
      [new Uint8Array(), e],
      [modulus, new Uint8Array()],
    ];
    for (const [badN, badE] of wrong) {
      expect(() => new PublicKey('rsa', badN, badE)).toThrow(expect.objectContaining({ kind: 'crypto' }));
    }
  });

  it('refuses a scheme that is not for the type of key, unknown names, SHA-1 and shared memory as wrong arguments', () => {
    const wrong = expect.objectContaining({ kind: 'invalid-argument' });
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    const none = new Uint8Array();
    expect(() => rsaKey.verify('ecdsa', 'SHA-256', none, none)).toThrow(wrong);
    expect(() => rsaKey.verify('rsa' as 'ecdsa', 'SHA-256', none, none)).toThrow(wrong);
    expect(() => rsaKey.verify('rsa-pkcs1', 'SHA-1' as Hash, none, none)).toThrow(wrong);
    expect(() => rsaKey.verify('rsa-pkcs1', 'SHA-256', shared, none)).toThrow(wrong);
    expect(() => rsaKey.verify('rsa-pss', 'SHA-256', none, none)).toThrow(wrong);
    expect(() => new (native().PublicKey)('P-224' as 'P-256', none, none)).toThrow(wrong);
    expect(() => native().digest('MD5' as Hash, none)).toThrow(wrong);
  });

  it('keeps a key for any number of verifications', () => {
    const key = nativeKey(createPublicKey(createPrivateKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }))));
    for (let i = 0; i < 100; i++) {
      const message = new Uint8Array([i]);
      const signature = new Uint8Array(sign('sha256', message, rsa.privateKey));
      expect(key.verify('rsa-pkcs1', 'SHA-256', message, signature)).toBe(true);
      expect(key.verify('rsa-pkcs1', 'SHA-256', new Uint8Array([i + 1]), signature)).toBe(false);
    }
  });
});

describe('digest of the addon', () => {
  it.each(['SHA-1', ...HASHES] as const)('computes %s as node:crypto does', (hash) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (data) => {
        expect(Buffer.from(native().digest(hash, data))).toEqual(
          createHash(hash.replace('-', '').toLowerCase()).update(data).digest(),
        );
      }),
    );
  });
});
