import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const refusedAs = (kind: string) => expect.objectContaining({ kind });

function wrap(key: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap-pad', key, Buffer.from('a65959a6', 'hex'));
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

describe('SecretBuffer', () => {
  it('takes a copy, zeroes what it was given, and hands copies out until it is destroyed', () => {
    const given = new Uint8Array([1, 2, 3]);
    const secret = new (native().SecretBuffer)(given);
    expect(given).toEqual(new Uint8Array(3));
    expect(secret.size).toBe(3);
    expect(secret.copy()).toEqual(new Uint8Array([1, 2, 3]));
    secret.copy().fill(9);
    expect(secret.copy()).toEqual(new Uint8Array([1, 2, 3]));
    secret.destroy();
    secret.destroy();
    expect(secret.size).toBe(0);
    expect(() => secret.copy()).toThrow(refusedAs('aborted'));
  });

  it('becomes a content key when it has 32 bytes, and no other length does', () => {
    const { ContentKey, SecretBuffer } = native();
    const bytes = randomBytes(32);
    const fromSecret = new ContentKey(new SecretBuffer(new Uint8Array(bytes)));
    const fromBytes = new ContentKey(new Uint8Array(bytes));
    const [iv, aad] = [new Uint8Array(12), new Uint8Array()];
    const sealed = fromBytes.sealKey(iv, aad, new ContentKey());
    const into = new ContentKey();
    fromSecret.openKey(iv, aad, sealed.subarray(32), sealed.subarray(0, 32), into);
    for (const size of [0, 16, 31, 33]) {
      expect(() => new ContentKey(new SecretBuffer(new Uint8Array(size)))).toThrow(refusedAs('invalid-argument'));
    }
  });
});

describe('unwrapWithPadding', () => {
  it('unwraps what OpenSSL in Node wraps, of every length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        (key, data) => {
          const secret = new (native().SecretBuffer)(new Uint8Array(key));
          expect(secret.unwrapWithPadding(wrap(key, data)).copy()).toEqual(new Uint8Array(data));
        },
      ),
    );
  });

  it('keeps zeros at the end of the key', () => {
    const key = randomBytes(32);
    const data = new Uint8Array([5, 0, 0, 0, 0]);
    expect(new (native().SecretBuffer)(new Uint8Array(key)).unwrapWithPadding(wrap(key, data)).copy()).toEqual(data);
  });

  it('refuses every changed bit, every shorter and longer input, and another key, always as crypto', () => {
    const key = randomBytes(32);
    const wrapped = wrap(key, randomBytes(21));
    const secret = new (native().SecretBuffer)(new Uint8Array(key));
    const open = (input: Uint8Array) => () => secret.unwrapWithPadding(input);
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const changed = new Uint8Array(wrapped);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(changed)).toThrow(refusedAs('crypto'));
    }
    for (let size = 0; size < wrapped.length; size++) {
      expect(open(wrapped.subarray(0, size))).toThrow(refusedAs('crypto'));
    }
    expect(open(Buffer.concat([wrapped, new Uint8Array(8)]))).toThrow(refusedAs('crypto'));
    expect(open(new Uint8Array(64 * 1024 + 8))).toThrow(refusedAs('crypto'));
    const other = new (native().SecretBuffer)(new Uint8Array(32));
    expect(() => other.unwrapWithPadding(wrapped)).toThrow(refusedAs('crypto'));
  });

  it('refuses keys that are not of 32 bytes and what is not a Uint8Array as wrong arguments', () => {
    const { SecretBuffer } = native();
    // RFC 5649 section 6 has a key of 24 bytes: right for AES-192, not here.
    const rfc = new SecretBuffer(hex('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8'));
    const wrapped = hex('138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a');
    expect(() => rfc.unwrapWithPadding(wrapped)).toThrow(refusedAs('invalid-argument'));
    const secret = new SecretBuffer(new Uint8Array(32));
    expect(() => secret.unwrapWithPadding('text' as unknown as Uint8Array)).toThrow(refusedAs('invalid-argument'));
    expect(() => secret.unwrapWithPadding(new Uint8Array(new SharedArrayBuffer(24)))).toThrow(
      refusedAs('invalid-argument'),
    );
  });
});
