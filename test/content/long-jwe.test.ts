import { describe, expect, it } from 'vitest';
import { decryptJwe, encryptJwe } from '../../lib/content/jwe.js';
import { pattern, softwareKey } from './software-key.js';

// The ciphertext of a long JWE is decoded in pieces of 2^20 characters.
const PIECE = 1 << 20;
const key = softwareKey();

describe('a compact JWE of several megabytes', () => {
  it.each([
    ['one piece', (PIECE / 4) * 3],
    ['one piece and a byte', (PIECE / 4) * 3 + 1],
    ['two pieces less a byte', (PIECE / 4) * 6 - 1],
    ['three pieces and two bytes', (PIECE / 4) * 9 + 2],
  ])('opens when its ciphertext has %s', async (_, size) => {
    const plaintext = pattern(size);
    const jwe = await encryptJwe(key.token, plaintext);
    expect((await decryptJwe(jwe, key.unwrap)).equals(plaintext)).toBe(true);
  });

  it('is refused for whatever is not base64url, wherever it is', async () => {
    const jwe = await encryptJwe(key.token, pattern((PIECE / 4) * 9 + 2));
    const start = jwe.split('.', 3).join('.').length + 1;
    const end = jwe.lastIndexOf('.');
    for (const character of ['=', ' ', '*', '+', '/', '\0', 'ä', '\u{1F511}']) {
      for (const at of [start, start + PIECE - 1, start + PIECE, start + 2 * PIECE + 5, end - 1]) {
        const changed = jwe.slice(0, at) + character + jwe.slice(at + 1);
        await expect(decryptJwe(changed, key.unwrap), `${character} at ${at}`).rejects.toMatchObject({ code: 8 });
        const inserted = jwe.slice(0, at) + character + jwe.slice(at);
        await expect(decryptJwe(inserted, key.unwrap), `${character} before ${at}`).rejects.toMatchObject({ code: 8 });
      }
    }
  });
});
