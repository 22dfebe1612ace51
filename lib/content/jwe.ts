import { checkOptions } from '../base/options.js';
import type { EncryptionTarget } from '../token/ephemeral-key.js';
import { decodeBase64url, decodeLongBase64url, requireBulk } from './bytes.js';
import { decodeEncryptedKey } from './envelope.js';
import { invalid, openingError, sealingError } from './errors.js';
import { decodeHeader, encodeHeader, type ProtectedHeader, type Purpose } from './header.js';
import { JWE_OPTIONS, type JweOptions } from './jwe-encrypt.js';
import { IV_BYTES, openMessage, sealMessage, TAG_BYTES, type Wrapped } from './seal.js';
import { type UnwrapKey, type UnwrapOptions, withContentKey } from './unwrap.js';
import { wrappingKeyOf } from './wrapping-key.js';

/** A compact JWE taken apart, nothing of it decrypted. */
export interface CompactJwe extends ProtectedHeader {
  encryptedKey: Buffer;
  iv: Buffer;
  ciphertext: Buffer;
  tag: Buffer;
}

/**
 * Encrypts data to the token's TPM key as a compact JWE (RFC 7516 section 7.1): RSA-OAEP-256, A256GCM. Any JOSE library
 * that has the private key opens it. Strings in JavaScript end at about 512 MiB: use streams for more than 256 MiB.
 *
 * @throws AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key, 10 when memory is short
 */
export async function encryptJwe(token: EncryptionTarget, data: Uint8Array, options: JweOptions = {}): Promise<string> {
  const bytes = requireBulk(data, 'data');
  const { contentType } = checkOptions('encryptJwe', options, JWE_OPTIONS);
  if (bytes.length > MAX_JWE_BYTES) throw invalid('a compact JWE takes at most 256 MiB: use a stream or an envelope');
  const wrapping = wrappingKeyOf(token);
  const header = contentType === undefined ? wrapping.header.text : encodeHeader(wrapping.thumbprint, { contentType });
  const begin = ({ encryptedKey, iv }: Wrapped) => compact(header, encryptedKey, iv);
  const { ciphertext, tag, text } = await sealMessage(wrapping, Buffer.from(header, 'latin1'), bytes, begin);
  try {
    return compact(text, ciphertext, tag);
  } catch (error) {
    throw sealingError(error);
  }
}

/**
 * Reverses {@link encryptJwe}, and opens what another JOSE library encrypted to the token's key.
 *
 * @throws AttestationError 8 for what is not such a JWE, 26 for everything else, see docs/encryption.md "Refusals"
 */
export async function decryptJwe(jwe: string, unwrap: UnwrapKey, options: UnwrapOptions = {}): Promise<Buffer> {
  const parsed = parseCompactJwe(jwe, 'message');
  return withContentKey(parsed, unwrap, options, (key) => openMessage(key, parsed.encoded, parsed));
}

const MAX_JWE_BYTES = 256 * 1024 * 1024;

/** Put together by concatenation, which leaves a large part where it lies; joining would copy all. */
export const compact = (header: string, ...parts: Buffer[]): string =>
  parts.reduce((text, part) => `${text}.${part.toString('base64url')}`, header);

/** @throws AttestationError 8, and 10 when memory is short */
export function parseCompactJwe(jwe: unknown, purpose: Purpose): CompactJwe {
  if (typeof jwe !== 'string') throw invalid('the JWE must be a string');
  const [header, encryptedKey, iv, ciphertext, tag, ...more] = jwe.split('.', 6);
  if (ciphertext === undefined || tag === undefined || more.length > 0) throw invalid('a compact JWE has five parts');
  const protectedHeader = decodeHeader(header, purpose);
  return {
    encryptedKey: decodeEncryptedKey(encryptedKey),
    iv: decodeBase64url(iv, 'iv', IV_BYTES),
    ciphertext: decodeCiphertext(ciphertext),
    tag: decodeBase64url(tag, 'tag', TAG_BYTES),
    ...protectedHeader,
  };
}

function decodeCiphertext(text: string): Buffer {
  try {
    return decodeLongBase64url(text, 'the ciphertext');
  } catch (error) {
    throw openingError(error);
  }
}
