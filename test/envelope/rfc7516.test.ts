import { describe, expect, it } from 'vitest';
import { decryptJwe } from '../../lib/envelope/jwe.js';
import { native } from '../../lib/native.js';

// RFC 7516 appendix A.1: RSA-OAEP and A256GCM.
const HEADER = 'eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ';
const CONTENT_KEY = [
  177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105, 47,
  130, 203, 46, 122, 234, 64, 252,
];
const IV = [227, 197, 117, 252, 2, 219, 233, 68, 180, 225, 77, 219];
const PLAINTEXT = 'The true sign of intelligence is not knowledge but imagination.';
const CIPHERTEXT = '5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A';
const TAG = 'XFBoMYUZodetZdvTiFvSkQ';

describe('RFC 7516 appendix A.1', () => {
  it('its content encryption comes out here, byte by byte', () => {
    const { ContentKey } = native();
    const sealed = Buffer.alloc(PLAINTEXT.length);
    const tag = Buffer.alloc(16);
    const aad = Buffer.from(HEADER);
    new ContentKey(Uint8Array.from(CONTENT_KEY)).seal(Uint8Array.from(IV), aad, tag, Buffer.from(PLAINTEXT), sealed);
    expect([sealed.toString('base64url'), tag.toString('base64url')]).toEqual([CIPHERTEXT, TAG]);
    new ContentKey(Uint8Array.from(CONTENT_KEY)).open(Uint8Array.from(IV), aad, tag, sealed, sealed);
    expect(sealed.toString()).toBe(PLAINTEXT);
  });

  it('as a whole it is refused: RSA-OAEP with SHA-1 is not what the TPM is asked for', async () => {
    const never = async (): Promise<Uint8Array> => {
      throw new Error('must not be called');
    };
    const key = Buffer.alloc(256, 1).toString('base64url');
    const iv = Buffer.from(IV).toString('base64url');
    const refused = decryptJwe([HEADER, key, iv, CIPHERTEXT, TAG].join('.'), never);
    await expect(refused).rejects.toMatchObject({ code: 8, message: expect.stringContaining('RSA-OAEP-256') });
  });
});
