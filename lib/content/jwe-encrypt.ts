import { encodeBase64url } from '../base/base64url.js';
import { copyBytes, isBytes, utf8Bytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { textLike } from '../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable } from '../base/options.js';
import { type EncryptionTarget, EPHEMERAL_KEY_ID, encryptionKeyOf, type RsaPublicJwk } from '../token/ephemeral-key.js';

export interface JweOptions {
  /** `cty` of the protected header, for instance `JWT`; at most 256 characters. */
  contentType?: string;
}

export const JWE_OPTIONS: OptionTable<JweOptions> = {
  contentType: textLike(/^.{0,256}$/s, 'a string of at most 256 characters'),
};
const MAX_JWE_BYTES = 256 * 1024 * 1024;
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts data to the TPM's key in a guest attestation token, or to the key of verified evidence, as a compact JWE (RFC 7516
 * section 7.1): RSA-OAEP-256, A256GCM. `client.decryptJwe` of the guest opens it, as does any JOSE library with the key.
 *
 * The token is **not** verified here: verify it first (`tokenEncryptionKey`), or the data may go to somebody else's key.
 *
 * @param data at most 256 MiB
 * @throws AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key, 25 when encryption fails
 */
export async function encryptJwe(token: EncryptionTarget, data: Uint8Array, options?: JweOptions): Promise<string> {
  const { contentType } = checkOptions('encryptJwe', options, JWE_OPTIONS);
  if (!isBytes(data)) throw invalid('encryptJwe: data must be a Uint8Array');
  const plaintext = copyBytes(data);
  if (plaintext.length > MAX_JWE_BYTES) throw invalid('encryptJwe: a compact JWE takes at most 256 MiB');
  const { jwk, thumbprint } = encryptionKeyOf(token);
  const header = {
    alg: 'RSA-OAEP-256',
    enc: 'A256GCM',
    kid: EPHEMERAL_KEY_ID,
    jkt: thumbprint,
    cty: contentType,
  };
  const encodedHeader = encodeBase64url(utf8Bytes(JSON.stringify(header)));
  try {
    const { encryptedKey, iv, ciphertext, tag } = await sealWithWebCrypto(jwk, encodedHeader, plaintext);
    return [encodedHeader, ...[encryptedKey, iv, ciphertext, tag].map(encodeBase64url)].join('.');
  } catch (cause) {
    throw new AttestationError(ErrorCode.EVP_PKEY_ENCRYPT_FAILED, 'the encryption failed', { cause });
  } finally {
    plaintext.fill(0);
  }
}

/** The parts of a JWE besides its header. */
export interface SealedParts {
  encryptedKey: Uint8Array;
  iv: Uint8Array;
  ciphertext: Uint8Array;
  tag: Uint8Array;
}

/** Encrypts under a fresh content key that is wrapped to `jwk`. `authenticated` is ASCII. */
export async function sealWithWebCrypto(
  jwk: RsaPublicJwk,
  authenticated: string,
  plaintext: Uint8Array<ArrayBuffer>,
): Promise<SealedParts> {
  const { subtle } = crypto;
  const contentKey = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  try {
    const oaep = { name: 'RSA-OAEP', hash: 'SHA-256' };
    const { kty, n, e } = jwk;
    const wrapping = await subtle.importKey('jwk', { kty, n, e }, oaep, false, ['encrypt']);
    const encryptedKey = new Uint8Array(await subtle.encrypt(oaep, wrapping, contentKey));
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const key = await subtle.importKey('raw', contentKey, 'AES-GCM', false, ['encrypt']);
    const sealing = { name: 'AES-GCM', iv, additionalData: utf8Bytes(authenticated), tagLength: 8 * TAG_BYTES };
    const sealed = new Uint8Array(await subtle.encrypt(sealing, key, plaintext));
    const end = sealed.length - TAG_BYTES;
    return { encryptedKey, iv, ciphertext: sealed.subarray(0, end), tag: sealed.subarray(end) };
  } finally {
    contentKey.fill(0);
  }
}
