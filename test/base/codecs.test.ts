import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeBase64,
  decodeBase64url,
  encodeBase64,
  encodeBase64url,
  readBase64url,
} from '../../lib/base/base64url.js';
import {
  bigEndian,
  concatBytes,
  copyBytes,
  equalBytes,
  isBytes,
  isZero,
  latin1Text,
  utf8Text,
} from '../../lib/base/bytes.js';
import { bytesFromHex, hex } from '../../lib/base/hex.js';
import { HmacKey } from '../../lib/base/hmac-key.js';
import { type HashName, hmac, sha2 } from '../../lib/base/sha2.js';

const bytes = fc.uint8Array({ maxLength: 400 });
const NODE_NAMES: Record<HashName, string> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};
const HASHES = Object.keys(NODE_NAMES) as HashName[];

describe('base64 and base64url', () => {
  it('encode and decode what Buffer does', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const buffer = Buffer.from(data);
        expect(encodeBase64url(data)).toBe(buffer.toString('base64url'));
        expect(encodeBase64(data)).toBe(buffer.toString('base64'));
        expect(decodeBase64url(buffer.toString('base64url'))).toEqual(data);
        expect(decodeBase64(buffer.toString('base64'))).toEqual(data);
      }),
    );
  });

  it('decode exactly one text for each value', () => {
    const text = fc.array(fc.constantFrom(...'AQZaz09-_+/= \n\tü€'), { maxLength: 9 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (given) => {
        const url = decodeBase64url(given);
        if (url !== undefined) expect(encodeBase64url(url)).toBe(given);
        const standard = decodeBase64(given);
        if (standard !== undefined) expect(encodeBase64(standard)).toBe(given);
      }),
      { numRuns: 5000 },
    );
  });

  it.each(['A', 'AB', 'AAAAA', 'AAB', 'AA=', 'AA==', 'A A', 'AAAA\n', ' AAAA', 'AA+A', 'AA/A', 'AAéA', 'AA\u0100A'])(
    'decodeBase64url refuses %j',
    (text) => expect(decodeBase64url(text)).toBeUndefined(),
  );

  it.each(['AA', 'AAA', 'AB==', 'AAB=', 'AA=A', '====', '=', 'AA-A', 'AA_A', 'AAAA\n'])(
    'decodeBase64 refuses %j',
    (text) => expect(decodeBase64(text)).toBeUndefined(),
  );
});

describe('readBase64url', () => {
  const text = fc
    .array(fc.constantFrom(...'AQZaz09-_+/= \n\tü€\u0141😀'), { maxLength: 12 })
    .map((parts) => parts.join(''));

  it('takes what decodeBase64url does, in whole groups of three, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(text, bytes.map(encodeBase64url)), fc.nat(12), (given, size) => {
        for (const length of [size, Math.floor((given.length * 3) / 4)]) {
          const read = new Uint8Array(length).fill(0xa5);
          const expected = decodeBase64url(given);
          const fits = expected?.length === length && length % 3 === 0;
          expect(readBase64url(given, read)).toBe(fits);
          if (fits) expect(read).toEqual(expected);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it.each(Array.from({ length: 76 }, (_, at) => at))(
    'refuses a character of none, and of two bytes, at %i of 76',
    (at) => {
      for (const character of ['+', '/', '=', ' ', '\0', '\u007f', '\u0141', '\uffff']) {
        const given = `${'A'.repeat(at)}${character}${'A'.repeat(75 - at)}`;
        expect(readBase64url(given, new Uint8Array(57))).toBe(false);
      }
    },
  );
});

describe('sha2 and hmac', () => {
  it.each(HASHES)('agree with node:crypto for %s at every length around the blocks', (hash) => {
    for (let length = 0; length <= 300; length++) {
      const data = Uint8Array.from({ length }, (_, index) => (index * 167 + length * 13) & 0xff);
      expect(hex(sha2(hash, data))).toBe(createHash(NODE_NAMES[hash]).update(data).digest('hex'));
    }
  });

  it.each(HASHES)('agree with node:crypto for %s over views, long data and any key', (hash) => {
    const long = new Uint8Array(70_000).map((_, index) => index >>> 3);
    expect(hex(sha2(hash, long.subarray(3)))).toBe(createHash(NODE_NAMES[hash]).update(long.subarray(3)).digest('hex'));
    fc.assert(
      fc.property(bytes, bytes, (key, data) => {
        expect(hex(hmac(hash, key, data))).toBe(createHmac(NODE_NAMES[hash], key).update(data).digest('hex'));
      }),
    );
  });
});

describe('an HmacKey', () => {
  it('makes one MAC after the other, of any length, under a key of any length that it has copied', () => {
    for (const keyLength of [0, 1, 32, 63, 64, 65, 200]) {
      const given = Uint8Array.from({ length: keyLength }, (_, index) => index * 31 + keyLength);
      const key = new HmacKey(given);
      const expected = Buffer.from(given);
      given.fill(0);
      for (let length = 0; length <= 260; length++) {
        for (const offset of [0, 7]) {
          const data = Uint8Array.from({ length: offset + length }, (_, index) => index * 7 + length).subarray(offset);
          expect(hex(key.digest(data))).toBe(createHmac('sha256', expected).update(data).digest('hex'));
        }
      }
    }
  });

  it('gives digests that the next one does not change', () => {
    const key = new HmacKey(new Uint8Array(32).fill(1));
    const first = key.digest(Uint8Array.of(1));
    const copy = hex(first);
    key.digest(Uint8Array.of(2));
    expect(hex(first)).toBe(copy);
  });
});

describe('bytes and hex', () => {
  it('hex is what Buffer writes and reads back in either case', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        expect(hex(data)).toBe(Buffer.from(data).toString('hex'));
        expect(bytesFromHex(hex(data).toUpperCase())).toEqual(data);
      }),
    );
    for (const bad of ['a', 'zz', '0x', ' 0', '0g']) expect(bytesFromHex(bad)).toBeUndefined();
  });

  it('equalBytes and isZero see every byte', () => {
    for (let at = 0; at < 40; at++) {
      const other = new Uint8Array(40);
      other[at] = 1;
      expect([equalBytes(new Uint8Array(40), other), isZero(other)]).toEqual([false, false]);
    }
    expect([
      equalBytes(new Uint8Array(3), new Uint8Array(4)),
      equalBytes(new Uint8Array(3), new Uint8Array(3)),
    ]).toEqual([false, true]);
    expect(isZero(new Uint8Array(9))).toBe(true);
  });

  it('isBytes and copyBytes are not taken in by a subclass, a getter or a look-alike', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 1000;
      }
      override get [Symbol.toStringTag](): 'Uint8Array' {
        throw new Error('asked');
      }
    }
    const copy = copyBytes(new Liar([1, 2, 3]));
    expect([copy.length, ...copy]).toEqual([3, 1, 2, 3]);
    expect(isBytes(new Liar(1))).toBe(true);
    for (const other of [
      new Uint16Array(1),
      new DataView(new ArrayBuffer(1)),
      [1],
      { [Symbol.toStringTag]: 'Uint8Array' },
      null,
      'x',
    ]) {
      expect(isBytes(other)).toBe(false);
    }
  });

  it('concatBytes, bigEndian and the texts do what they say', () => {
    expect([...concatBytes(new Uint8Array([1]), new Uint8Array(), new Uint8Array([2, 3]))]).toEqual([1, 2, 3]);
    expect(hex(bigEndian(2 ** 53 - 1, 8))).toBe('001fffffffffffff');
    expect(utf8Text(new Uint8Array([0xc3, 0x28]))).toBeUndefined();
    expect(utf8Text(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
    expect(latin1Text(new Uint8Array(9000).fill(0xe9))).toBe('é'.repeat(9000));
  });
});
