import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBase64url } from '../../lib/base/base64url.js';
import { bigEndian, concatBytes } from '../../lib/base/bytes.js';
import { sha2 } from '../../lib/base/sha2.js';
import { CURVES } from '../../lib/engine/curves.js';
import type { EcCurve, PublicKey, SignatureScheme } from '../../lib/engine/engine.js';
import {
  ecPublicKey,
  ecPublicKeyFromPoint,
  jwkOfPublicKey,
  publicKeyFromJwk,
  rsaPublicKey,
} from '../../lib/engine/public-key.js';
import { verifySignature } from '../../lib/engine/verify-signature.js';
import { engines, everySignature, type Signed } from './engines.js';

const all = everySignature();
const of = (name: string): Signed => all.find((signed) => signed.name === name) as Signed;

/** The verdict of every engine; they must not differ. */
async function verdict(key: PublicKey, scheme: SignatureScheme, message: Uint8Array, signature: Uint8Array) {
  const verdicts = await Promise.all(engines.map((engine) => verifySignature(engine, key, scheme, message, signature)));
  expect(new Set(verdicts).size).toBe(1);
  return verdicts[0];
}

describe('verifySignature', () => {
  it.each(all.map((signed) => [signed.name, signed] as const))('accepts %s with every engine', async (_, signed) => {
    expect(await verdict(signed.key, signed.scheme, signed.message, signed.signature)).toBe(true);
  });

  it('gives one verdict in every engine, and only the genuine one is good, whatever is changed', async () => {
    const byte = fc.nat();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...all),
        fc.constantFrom(...all),
        byte,
        byte,
        fc.nat(5),
        async (signed, other, at, bit, how) => {
          let { key, scheme, message, signature } = signed;
          const flip = (bytes: Uint8Array): Uint8Array => {
            const copy = bytes.slice();
            copy[at % copy.length] = (copy[at % copy.length] as number) ^ (1 << (bit % 8));
            return copy;
          };
          if (how === 0) signature = flip(signature);
          if (how === 1) message = flip(message);
          if (how === 2) signature = signature.subarray(0, at % signature.length);
          if (how === 3) signature = concatBytes(signature, bigEndian(at, 1 + (bit % 3)));
          if (how === 4) scheme = other.scheme;
          if (how === 5) key = other.key;
          const same = (one: unknown, two: unknown): boolean => JSON.stringify(one) === JSON.stringify(two);
          const unchanged =
            how > 3 && same(jwkOfPublicKey(key), jwkOfPublicKey(signed.key)) && same(scheme, signed.scheme);
          expect(await verdict(key, scheme, message, signature)).toBe(unchanged);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each(['P-256', 'P-384', 'P-521'] as const)(
    'refuses a key off %s in every engine, checked by it or before',
    async (curve) => {
      const { key, scheme, message, signature } = of(`${curve} SHA-256`);
      if (key.type !== 'ec') throw new Error('not an EC key');
      const { x, y } = key;
      const { size, p } = CURVES[curve];
      expect(await verdict({ ...key, x: x.slice(), y: y.slice() }, scheme, message, signature)).toBe(true);
      const number = (value: bigint): Uint8Array =>
        Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex'));
      const integer = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
      const zero = new Uint8Array(size);
      const off: [Uint8Array, Uint8Array][] = [
        [x, y.with(size - 1, (y[size - 1] as number) ^ 1)],
        [y, x],
        [zero, zero],
        [number(p), y],
        [new Uint8Array(size).fill(0xff), y],
        [x, new Uint8Array(size).fill(0xff)],
        [x.subarray(1), y],
        [x, concatBytes(y, zero)],
        [new Uint8Array(), new Uint8Array()],
      ];
      // What is congruent to a coordinate is not one.
      for (const [one, other] of [[integer(x) + p, integer(y)] as const, [integer(x), integer(y) + p] as const]) {
        const [oneBytes, otherBytes] = [number(one), number(other)];
        if (oneBytes.length === size && otherBytes.length === size) off.push([oneBytes, otherBytes]);
      }
      for (const [badX, badY] of off) {
        expect(await verdict({ ...key, x: badX, y: badY }, scheme, message, signature)).toBe(false);
      }
      // The other root has the same x and is on the curve: another key, which did not sign.
      expect(await verdict({ ...key, y: number(p - integer(y)) }, scheme, message, signature)).toBe(false);
    },
  );

  it.each(['P-256', 'P-384', 'P-521'] as const)('refuses r and s out of range on %s', async (curve) => {
    const { key, scheme, message, signature } = of(`${curve} SHA-256`);
    const { size, order } = CURVES[curve];
    const [r, s] = [signature.subarray(0, size), signature.subarray(size)];
    const zero = new Uint8Array(size);
    const plus = (value: Uint8Array, add: bigint): Uint8Array => {
      const sum = BigInt(`0x${Buffer.from(value).toString('hex')}`) + add;
      return Uint8Array.from(
        Buffer.from(
          sum
            .toString(16)
            .padStart(2 * size, '0')
            .slice(-2 * size),
          'hex',
        ),
      );
    };
    const n = BigInt(`0x${Buffer.from(order).toString('hex')}`);
    for (const bad of [zero, order, plus(order, 1n), new Uint8Array(size).fill(0xff), plus(s, n)]) {
      expect(await verdict(key, scheme, message, concatBytes(r, bad))).toBe(false);
      expect(await verdict(key, scheme, message, concatBytes(bad, s))).toBe(false);
    }
    // −s is the other valid signature of ECDSA; every engine must say so, too.
    const negated = plus(zero, n - BigInt(`0x${Buffer.from(s).toString('hex')}`));
    expect(await verdict(key, scheme, message, concatBytes(r, negated))).toBe(true);
    const der = concatBytes(new Uint8Array([0x30, 2 * size + 4, 2, size]), r, new Uint8Array([2, size]), s);
    for (const bad of [new Uint8Array(), r, der, concatBytes(new Uint8Array(1), signature)]) {
      expect(await verdict(key, scheme, message, bad)).toBe(false);
    }
  });

  it('refuses RSA signatures that are not below the modulus, short, long or zero', async () => {
    const { key, scheme, message, signature } = of('RSA-2048 SHA-256 PKCS #1');
    if (key.type !== 'rsa') throw new Error('not RSA');
    const zero = new Uint8Array(256);
    for (const bad of [
      key.n,
      zero,
      new Uint8Array(256).fill(0xff),
      signature.subarray(1),
      concatBytes(new Uint8Array(1), signature),
    ]) {
      expect(await verdict(key, scheme, message, bad)).toBe(false);
    }
  });

  it('refuses PSS salts of another length than the scheme says', async () => {
    const { key, scheme, message, signature } = of('RSA-2048 SHA-384 PSS with salt 48');
    for (const saltLength of [0, 20, 32, 47, 49, 64, 206, 207, 1000, -1, -2, 1.5, Number.NaN]) {
      expect(await verdict(key, { ...scheme, saltLength } as SignatureScheme, message, signature)).toBe(false);
    }
  });

  it('refuses a scheme that is not for the key', async () => {
    const ec = of('P-256 SHA-256');
    const rsa = of('RSA-2048 SHA-256 PKCS #1');
    expect(await verdict(ec.key, rsa.scheme, ec.message, ec.signature)).toBe(false);
    expect(await verdict(rsa.key, ec.scheme, rsa.message, rsa.signature)).toBe(false);
  });

  it('takes messages and signatures in shared memory', async () => {
    const { key, scheme, message, signature } = of('P-384 SHA-384');
    const shared = new Uint8Array(new SharedArrayBuffer(signature.length));
    shared.set(signature);
    expect(await verdict(key, scheme, message, shared)).toBe(true);
  });
});

describe('digest', () => {
  it.each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] as const)('of every engine agrees for %s', (hash) => {
    for (const length of [0, 1, 63, 64, 111, 112, 127, 128, 129, 1000]) {
      const data = new Uint8Array(randomBytes(length));
      for (const engine of engines) expect(Buffer.from(engine.digest(hash, data)).equals(sha2(hash, data))).toBe(true);
    }
  });
});

describe('public keys', () => {
  const numbers = (bits: number, e = 65537): [Uint8Array, Uint8Array] => {
    const n = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
    n[0] = 0xff >> (n.length * 8 - bits);
    return [n, bigEndian(e, 5).subarray(bigEndian(e, 5).findIndex((byte) => byte !== 0))];
  };

  it.each([2048, 2049, 3072, 4096, 8192])('take an RSA modulus of %d bits', (bits) => {
    expect(rsaPublicKey(...numbers(bits))).toMatchObject({ type: 'rsa' });
  });
  it.each([1, 8, 512, 1024, 2047, 8193, 16384])('refuse an RSA modulus of %d bits', (bits) => {
    expect(rsaPublicKey(...numbers(bits))).toBeUndefined();
  });
  it.each([1, 2, 4, 65536, 2 ** 32 + 1])('refuse the RSA exponent %d', (e) => {
    expect(rsaPublicKey(...numbers(2048, e))).toBeUndefined();
  });
  it('refuse an even modulus, leading zeros, no number and another exponent than the profile names', () => {
    const [n, e] = numbers(2048);
    expect(rsaPublicKey(n.with(255, 0xfe), e)).toBeUndefined();
    expect(rsaPublicKey(concatBytes(new Uint8Array(1), n), e)).toBeUndefined();
    expect(rsaPublicKey(n, concatBytes(new Uint8Array(1), e))).toBeUndefined();
    expect(rsaPublicKey(new Uint8Array(), e)).toBeUndefined();
    expect(rsaPublicKey(n, new Uint8Array())).toBeUndefined();
    expect(rsaPublicKey(n, Uint8Array.of(3), { exponent: 65537 })).toBeUndefined();
    expect(rsaPublicKey(n, e, { minBits: 3072 })).toBeUndefined();
  });

  it.each(['P-256', 'P-384', 'P-521'] as const)(
    'refuse a point that is not on %s or is written otherwise',
    (curve: EcCurve) => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const jwk = publicKey.export({ format: 'jwk' });
      const x = Uint8Array.from(Buffer.from(jwk.x as string, 'base64url'));
      const y = Uint8Array.from(Buffer.from(jwk.y as string, 'base64url'));
      const point = concatBytes(Uint8Array.of(4), x, y);
      expect(ecPublicKey(curve, x, y)).toBeDefined();
      expect(ecPublicKeyFromPoint(curve, point)).toEqual(publicKeyFromJwk(jwk));
      const { size } = CURVES[curve];
      const zero = new Uint8Array(size);
      const off: [Uint8Array, Uint8Array][] = [
        [x, y.with(size - 1, (y[size - 1] as number) ^ 1)],
        [y, x],
        [zero, zero],
        [new Uint8Array(size).fill(0xff), y],
        [x.subarray(1), y],
        [x, concatBytes(y, zero)],
      ];
      for (const [badX, badY] of off) expect(ecPublicKey(curve, badX, badY)).toBeUndefined();
      for (const first of [0, 2, 3, 6, 7]) expect(ecPublicKeyFromPoint(curve, point.with(0, first))).toBeUndefined();
      expect(ecPublicKeyFromPoint(curve, Uint8Array.of(0))).toBeUndefined();
      expect(ecPublicKeyFromPoint(curve, concatBytes(Uint8Array.of(2), x))).toBeUndefined();
      // x + p is the same coordinate to whoever reduces it.
      const p = CURVES[curve].p;
      const larger = (BigInt(`0x${Buffer.from(x).toString('hex')}`) + p).toString(16).padStart(2 * size, '0');
      if (larger.length === 2 * size)
        expect(ecPublicKey(curve, Uint8Array.from(Buffer.from(larger, 'hex')), y)).toBeUndefined();
    },
  );

  it('refuse JWKs with members missing, of other types or not base64url', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = publicKey.export({ format: 'jwk' });
    expect(publicKeyFromJwk(jwk)).toBeDefined();
    expect(publicKeyFromJwk({ ...jwk, n: `AAAA${jwk.n}` })).toEqual(publicKeyFromJwk(jwk));
    const bad = [
      {},
      { ...jwk, kty: 'oct' },
      { ...jwk, n: `${jwk.n}=` },
      { ...jwk, n: '' },
      { ...jwk, e: 3 },
      { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' },
      { kty: 'EC', crv: 'P-256', x: encodeBase64url(new Uint8Array(32)) },
    ];
    for (const one of bad) expect(publicKeyFromJwk(one)).toBeUndefined();
  });
});
