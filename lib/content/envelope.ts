import { parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import type { EncryptionTarget } from '../token/ephemeral-key.js';
import { decodeBase64url, requireBulk, requireBytes } from './bytes.js';
import { invalid } from './errors.js';
import { decodeHeader, MAX_PROTECTED_LENGTH } from './header.js';
import { type BulkOptions, IV_BYTES, openMessage, sealMessage, TAG_BYTES, type Wrapped } from './seal.js';
import { type UnwrapKey, type UnwrapOptions, withContentKey } from './unwrap.js';
import { wrappingKeyOf } from './wrapping-key.js';

/** Longest additional data. It travels in the metadata, in base64url. */
const MAX_ADDITIONAL_DATA = 1 << 20;
const MAX_METADATA = MAX_ADDITIONAL_DATA * 2 + 16 * 1024;

export interface EnvelopeEncryptOptions extends BulkOptions {
  /** Authenticated with the data and sent along in the metadata, readable; at most 1 MiB. */
  additionalData?: Uint8Array;
}

export interface EnvelopeDecryptOptions extends BulkOptions, UnwrapOptions {
  /** The additional data that the metadata must carry. Without it whatever was authenticated is accepted. */
  additionalData?: Uint8Array;
}

/**
 * Encrypts data of any size to the token's TPM key, as a JWE in Flattened JSON Serialization (RFC 7516 section 7.2.2)
 * whose ciphertext is detached: `encryptedData` holds its bytes, `encryptionMetadata` is base64 of the JSON object with
 * all other members. Format: docs/encryption.md, section "Envelope".
 *
 * `data` is not copied: it must not change until the promise settles.
 *
 * @throws AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key, 10 when memory is short
 */
export async function encryptEnvelope(
  token: EncryptionTarget,
  data: Uint8Array,
  options: EnvelopeEncryptOptions = {},
): Promise<{ encryptedData: Buffer; encryptionMetadata: Buffer }> {
  const bytes = requireBulk(data, 'data');
  const wrapping = wrappingKeyOf(token);
  const { header } = wrapping;
  const aad = encodeAdditionalData(options.additionalData);
  const bound = aad === undefined ? header.bytes : Buffer.from(authenticatedText(header.text, aad), 'latin1');
  // All values are base64url, which JSON takes as it is. The tag comes last.
  const begin = ({ encryptedKey, iv }: Wrapped) =>
    `{"protected":"${header.text}","encrypted_key":"${encryptedKey.toString('base64url')}",` +
    `"iv":"${iv.toString('base64url')}",${aad === undefined ? '' : `"aad":"${aad}",`}"tag":"`;
  const { ciphertext, tag, text } = await sealMessage(wrapping, bound, bytes, begin, options);
  return {
    encryptedData: ciphertext,
    encryptionMetadata: Buffer.from(btoa(`${text}${tag.toString('base64url')}"}`), 'latin1'),
  };
}

/**
 * Reverses {@link encryptEnvelope}.
 *
 * @throws AttestationError 8 for metadata that is not such a JWE, 26 for everything else, see docs/encryption.md "Refusals"
 */
export async function decryptEnvelope(
  encryptedData: Uint8Array,
  encryptionMetadata: Uint8Array,
  unwrap: UnwrapKey,
  options: EnvelopeDecryptOptions = {},
): Promise<Buffer> {
  const ciphertext = requireBulk(encryptedData, 'encryptedData');
  const metadata = parseMetadata(encryptionMetadata);
  const aad = options.additionalData === undefined ? metadata.aad : encodeAdditionalData(options.additionalData);
  const message = { iv: metadata.iv, tag: metadata.tag, ciphertext };
  return withContentKey(metadata, unwrap, options, (key) =>
    openMessage(key, authenticatedText(metadata.encoded, aad), message, options),
  );
}

/** The JWE's Additional Authenticated Data (RFC 7516 section 5.1 step 14). */
const authenticatedText = (header: string, aad: string | undefined): string =>
  aad === undefined ? header : `${header}.${aad}`;

function encodeAdditionalData(data: Uint8Array | undefined): string | undefined {
  if (data === undefined) return undefined;
  const bytes = requireBytes(data, 'additionalData');
  if (bytes.length > MAX_ADDITIONAL_DATA) throw invalid('additionalData must have at most 1 MiB');
  // An empty value is the same as none: the member must be absent then (section 7.2.1).
  return bytes.length === 0 ? undefined : bytes.toString('base64url');
}

function parseMetadata(encryptionMetadata: Uint8Array) {
  const bytes = requireBytes(encryptionMetadata, 'encryptionMetadata');
  if (bytes.length === 0) throw invalid('encryptionMetadata is empty');
  if (bytes.length > MAX_METADATA) throw invalid('encryptionMetadata is too long');
  const members = parseJsonObject(bytes.toString('latin1'));
  for (const name of ['ciphertext', 'header', 'unprotected', 'recipients']) {
    if (name in members) throw invalid(`encryptionMetadata must not have the member ${name}`);
  }
  const header = decodeHeader(members.protected, 'message');
  const aad = members.aad;
  if (aad !== undefined) decodeBase64url(aad, 'aad');
  return {
    encryptedKey: decodeEncryptedKey(members.encrypted_key),
    iv: decodeBase64url(members.iv, 'iv', IV_BYTES),
    tag: decodeBase64url(members.tag, 'tag', TAG_BYTES),
    aad: aad as string | undefined,
    ...header,
  };
}

/** One RSA block: 256 bytes for the TPM's key. */
export function decodeEncryptedKey(text: unknown): Buffer {
  if (typeof text !== 'string' || text.length > MAX_PROTECTED_LENGTH) throw invalid('encrypted_key is not base64url');
  const bytes = decodeBase64url(text, 'encrypted_key');
  if (bytes.length !== 256) throw invalid('encrypted_key must be base64url of 256 bytes');
  return bytes;
}

function parseJsonObject(base64: string): Record<string, unknown> {
  let value: unknown;
  try {
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.toString('base64') !== base64) throw invalid('encryptionMetadata is not base64');
    value = parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalid('encryptionMetadata is not acceptable JSON');
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('encryptionMetadata is not a JSON object');
  }
  return value as Record<string, unknown>;
}
