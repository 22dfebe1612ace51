import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  contextName,
  isLikeQualifyingData,
  isReservedContext,
  qualifyingData,
} from '../../lib/base/qualifying-data.js';

describe('qualifying data of a context', () => {
  it('is CGA-qdv1 and the SHA-256 of context, a zero byte and nonce', () => {
    for (const nonce of [new Uint8Array(), randomBytes(1), randomBytes(57), randomBytes(64)]) {
      const digest = createHash('sha256').update('my-protocol\0').update(nonce).digest();
      expect(Buffer.from(qualifyingData('my-protocol', nonce))).toEqual(
        Buffer.concat([Buffer.from('CGA-qdv1'), digest]),
      );
    }
  });

  it('differs where context and nonce together are the same bytes', () => {
    const one = qualifyingData('ab', Buffer.from('c'));
    const other = qualifyingData('a', Buffer.from('bc'));
    expect(Buffer.from(one)).not.toEqual(Buffer.from(other));
  });

  it('is recognized by its first 8 bytes, and nothing shorter or other is', () => {
    expect(isLikeQualifyingData(qualifyingData('a', new Uint8Array()))).toBe(true);
    expect(isLikeQualifyingData(Buffer.from('CGA-qdv1'))).toBe(true);
    for (const other of ['', 'CGA-qdv', 'CGA-qdv2 and more', 'cga-qdv1', ' CGA-qdv1']) {
      expect(isLikeQualifyingData(Buffer.from(other))).toBe(false);
    }
  });

  it('has names of 1 to 32 of a–z, 0–9 and -', () => {
    for (const name of ['a', '0', 'my-protocol-v1', 'a'.repeat(32)])
      expect(contextName.check(name, 'context')).toBe(name);
    for (const name of ['', 'a'.repeat(33), 'A', 'a b', 'a\n', 'ä', 'a_b', 5, null, ['a']]) {
      expect(() => contextName.check(name, 'context')).toThrow(expect.objectContaining({ code: 8 }));
    }
  });

  it('keeps the names of this package’s protocols for them', () => {
    for (const name of ['channel-v1', 'pop-v1', 'verifier-v1', 'kbs-v1', 'cga-', 'cga-anything']) {
      expect(isReservedContext(name)).toBe(true);
    }
    for (const name of ['channel-v2', 'my-channel-v1', 'cga', 'acga-']) expect(isReservedContext(name)).toBe(false);
  });
});
