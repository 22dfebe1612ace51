import { describe, expect, it } from 'vitest';
import type { PublicKey } from '../../lib/engine/engine.js';
import { nativeEngine } from '../../lib/engine/native.js';
import { verifySignature } from '../../lib/engine/verify-signature.js';
import { native } from '../../lib/native.js';
import { everySignature } from './engines.js';

const ecdsa = everySignature().filter(({ key }) => key.type === 'ec');

describe('the native engine, on a key that it has seen before', () => {
  it.each(ecdsa.map((signed) => [signed.name, signed] as const))('says the same of %s every time', (_, signed) => {
    const engine = nativeEngine(native());
    const { key, scheme, message, signature } = signed;
    const bad = signature.with(signature.length - 1, (signature.at(-1) as number) ^ 1);
    const swapped = new Uint8Array([
      ...signature.slice(signature.length / 2),
      ...signature.slice(0, signature.length / 2),
    ]);
    const verdict = (by: PublicKey, over: Uint8Array, of: Uint8Array) => verifySignature(engine, by, scheme, over, of);
    for (let time = 1; time <= 10; time++) {
      // The object that was verified by before, and one as a certificate gives it anew.
      for (const by of [key, { ...key }]) {
        expect(verdict(by, message, signature), `good, time ${time}`).toBe(true);
        expect(verdict(by, message, bad), `bad, time ${time}`).toBe(false);
        expect(verdict(by, message, swapped), `swapped, time ${time}`).toBe(false);
        expect(verdict(by, message.subarray(1), signature), `another message, time ${time}`).toBe(false);
      }
    }
  });

  it('refuses a P-384 key with the same x and the other y, as often as it comes', () => {
    const engine = nativeEngine(native());
    const signed = ecdsa.find(({ name }) => name === 'P-384 SHA-384');
    if (signed?.key.type !== 'ec') throw new Error('not an EC key');
    const { key, scheme, message, signature } = signed;
    const p = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
    const y = p - BigInt(`0x${Buffer.from(key.y).toString('hex')}`);
    const other = { ...key, y: new Uint8Array(Buffer.from(y.toString(16).padStart(96, '0'), 'hex')) };
    for (let time = 1; time <= 10; time++) {
      expect(verifySignature(engine, key, scheme, message, signature)).toBe(true);
      expect(verifySignature(engine, { ...other }, scheme, message, signature)).toBe(false);
    }
  });
});
