import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';
import { ScannedGuest } from './scanned-guest.js';

// OpenSSL 3.0, which Node 20 has, frees the encoding of a private key as it is.

let reader: ScannedGuest;
beforeAll(() => {
  reader = ScannedGuest.start('key-reader.mjs');
});
afterAll(() => reader?.stop());

const newKey = (kind: string): KeyObject =>
  kind.startsWith('P-')
    ? generateKeyPairSync('ec', { namedCurve: kind }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: Number(kind) }).privateKey;

/** How often the private exponent or scalar is in memory as it was encoded, after keys of this kind were read. */
async function leftOf(kind: string, wiping: boolean, count: number): Promise<number> {
  let left = 0;
  for (let i = 0; i < count; i++) {
    const key = newKey(kind);
    const masked = key.export({ format: 'der', type: 'pkcs8' }).map((byte) => byte ^ 0xa5);
    await reader.tell('read', { masked, wiping });
    const { d = '' } = key.export({ format: 'jwk' });
    if (Object.keys(reader.find({ d: Buffer.from(d, 'base64url').subarray(4, 20) })).length > 0) left++;
  }
  return left;
}

describe('a private key that Node has read', () => {
  it.each(['P-256', 'P-521', '2048', '4096'])(
    'of %s leaves nothing in freed memory',
    { timeout: 120_000 },
    async (kind) => {
      expect(await leftOf(kind, true, 5)).toBe(0);
    },
  );

  it.runIf(process.versions.openssl.startsWith('3.0'))(
    'would leave its encoding without that: the search finds it',
    { timeout: 120_000 },
    async () => {
      expect(await leftOf('2048', false, 3)).toBeGreaterThan(0);
      expect(await leftOf('P-256', false, 3)).toBeGreaterThan(0);
    },
  );

  it('is read by a function, whose result and error come back', () => {
    expect(native().wipingWhatIsFreed(() => 7)).toBe(7);
    const error = new Error('of the function');
    expect(() =>
      native().wipingWhatIsFreed(() => {
        throw error;
      }),
    ).toThrow(error);
    const refused = expect.objectContaining({ kind: 'invalid-argument' });
    for (const work of [undefined, 7, {}, 'work'] as unknown as (() => void)[]) {
      expect(() => native().wipingWhatIsFreed(work)).toThrow(refused);
    }
  });
});
