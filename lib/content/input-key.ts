import { randomFillSync } from 'node:crypto';
import { type NativeContentKey, native } from '../native.js';
import { invalid, openingError, sealingError } from './errors.js';
import { encodeHeader, type Purpose } from './header.js';
import { compact, parseCompactJwe } from './jwe.js';
import { IV_BYTES, TAG_BYTES } from './seal.js';
import { type UnwrapKey, type UnwrapOptions, withContentKey } from './unwrap.js';
import type { WrappingKey } from './wrapping-key.js';

/** Sessions and streams derive their keys from an input key of this size. */
const INPUT_KEY_BYTES = 32;

/**
 * A fresh input key and the compact JWE that carries it: an ordinary JWE whose plaintext are the 32 bytes, so that any
 * JOSE library can be the sender. Neither the input key nor the JWE's content key reaches JavaScript.
 */
export function wrapInputKey(
  wrapping: WrappingKey,
  purpose: Exclude<Purpose, 'message'>,
  options: { ordered?: boolean } = {},
): { key: NativeContentKey; jwe: string } {
  const { ContentKey } = native();
  const contentKey = new ContentKey();
  try {
    const key = new ContentKey();
    const header = encodeHeader(wrapping.thumbprint, { purpose, ...options });
    const iv = randomFillSync(Buffer.allocUnsafeSlow(IV_BYTES));
    const sealed = contentKey.sealKey(iv, Buffer.from(header, 'latin1'), key);
    const ciphertext = sealed.subarray(0, -TAG_BYTES);
    return {
      key,
      jwe: compact(header, contentKey.wrap(wrapping.publicKey), iv, ciphertext, sealed.subarray(-TAG_BYTES)),
    };
  } catch (error) {
    throw sealingError(error);
  } finally {
    contentKey.destroy();
  }
}

/**
 * Unwraps the input key of a session or stream and gives it to `use`; it is zeroed afterwards.
 *
 * @throws AttestationError 8 for what is not such a JWE, 26 for everything else
 */
export async function withInputKey<T>(
  jwe: string,
  purpose: Exclude<Purpose, 'message'>,
  unwrap: UnwrapKey,
  options: UnwrapOptions,
  use: (key: NativeContentKey, header: { ordered: boolean }) => T,
): Promise<T> {
  const parsed = parseCompactJwe(jwe, purpose);
  if (parsed.ciphertext.length !== INPUT_KEY_BYTES) throw invalid(`the key of a ${purpose} has 32 bytes`);
  return withContentKey(parsed, unwrap, options, (contentKey) => {
    const { iv, tag, ciphertext } = parsed;
    const key = new (native().ContentKey)();
    try {
      contentKey.openKey(iv, Buffer.from(parsed.encoded, 'latin1'), tag, ciphertext, key);
      return use(key, parsed);
    } catch (error) {
      throw openingError(error);
    } finally {
      key.destroy();
    }
  });
}
