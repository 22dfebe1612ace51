import { decodeBase64url } from '../base/base64url.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { parseStrictJson } from '../base/strict-json.js';

/** How the service returns a token: AES-GCM under an inner key that only the TPM's ephemeral key can unwrap. */
export interface GuestEnvelope {
  /** RSAES-PKCS1-v1_5 under the ephemeral key, one block of 256 bytes. */
  encryptedInnerKey: Uint8Array;
  iv: Uint8Array;
  /** AES-GCM tag, 16 bytes. */
  tag: Uint8Array;
  ciphertext: Uint8Array;
}

const RSA_BLOCK_BYTES = 256;
export const TAG_BYTES = 16;
const MAX_IV_BYTES = 128;

/**
 * Reads an envelope out of the `token` member of the service's answer: base64url of a JSON object.
 *
 * @throws AttestationError 14 for anything that is not exactly such an envelope. Unlike the reference library, which
 * takes a tag of one byte, only a whole one is accepted.
 */
export function parseGuestEnvelope(token: string): GuestEnvelope {
  const envelope = object(parseJson(decoded(token, 'the token of the answer')), 'the envelope');
  const parameters = object(envelope.EncryptionParams, 'EncryptionParams');
  expectValue(parameters, 'Cipher', 'AES');
  expectValue(parameters, 'BlockMode', 'ChainingModeGCM');
  expectValue(parameters, 'BlockPadding', 'PKCS7');
  const bits = parameters.KeySizeInBits;
  // Its value is not looked at further: the inner key's own length chooses the cipher.
  if (!Number.isInteger(bits) || bits === 0) throw malformed('KeySizeInBits is not a size');

  const iv = bytes(parameters, 'Iv');
  if (iv.length === 0 || iv.length > MAX_IV_BYTES) throw malformed(`Iv has ${iv.length} bytes`);
  const tag = bytes(envelope, 'AuthenticationData');
  if (tag.length !== TAG_BYTES) throw malformed(`AuthenticationData has ${tag.length} bytes, not ${TAG_BYTES}`);
  const encryptedInnerKey = bytes(envelope, 'EncryptedInnerKey');
  if (encryptedInnerKey.length !== RSA_BLOCK_BYTES) {
    throw malformed(`EncryptedInnerKey has ${encryptedInnerKey.length} bytes, not ${RSA_BLOCK_BYTES}`);
  }
  return { encryptedInnerKey, iv, tag, ciphertext: bytes(envelope, 'Jwt') };
}

function decoded(text: unknown, what: string): Uint8Array {
  if (typeof text !== 'string' || text === '') throw malformed(`${what} is missing or empty`);
  const digits = text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const bytes = decodeBase64url(digits);
  if (bytes === undefined) throw malformed(`${what} is not base64`);
  return bytes;
}

function parseJson(text: Uint8Array): unknown {
  try {
    return parseStrictJson(text);
  } catch {
    // The parser's words would quote what may be a token.
    throw malformed('the envelope is not acceptable JSON');
  }
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`${what} is not a JSON object`);
  return value as Record<string, unknown>;
}

function bytes(source: Record<string, unknown>, member: string): Uint8Array {
  return decoded(source[member], member);
}

function expectValue(source: Record<string, unknown>, member: string, expected: string): void {
  if (source[member] !== expected) throw malformed(`${member} is not ${expected}`);
}

const malformed = (why: string): AttestationError =>
  new AttestationError(ErrorCode.JWT_DECRYPTION_FAILED, `the service returned no usable token: ${why}`);
