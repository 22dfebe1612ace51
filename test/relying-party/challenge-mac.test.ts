import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ChallengeMac } from '../../lib/relying-party/challenge-mac.js';

describe('the MAC of challenges', () => {
  it('is HMAC-SHA-256 for every length of key, of message and of its parts, in any order', () => {
    for (const keyBytes of [0, 1, 32, 63, 64]) {
      const key = randomBytes(keyBytes);
      const mac = new ChallengeMac(key);
      for (const [head, tail] of [
        [25, 6],
        [25, 134],
        [0, 0],
        [25, 6],
        [57, 64],
        [25, 134],
      ] as const) {
        const message = randomBytes(head + tail + 10);
        const [before, after] = [message.subarray(0, head + 10), message.subarray(head + 10)];
        const expected = createHmac('sha256', key).update(before.subarray(0, head)).update(after).digest();
        expect(Buffer.from(mac.digest(before, head, after))).toEqual(expected);
      }
    }
  });

  it('refuses a key that is longer than a block, which would have to be hashed first', () => {
    expect(() => new ChallengeMac(randomBytes(65))).toThrow(RangeError);
  });
});
