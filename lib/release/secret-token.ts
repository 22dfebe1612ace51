import { type Certificate, parseCertificate } from '../abi/x509.js';
import { decodeBase64, decodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { AttestationError, type Check, VerificationError } from '../base/errors.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';

/** Every reason for which a provisioned secret is refused: stable code and what it says. */
export const SECRET_REFUSALS = Object.freeze({
  ERR_SECRET_FORMAT: 'This is not a token that carries a provisioned secret.',
  ERR_SECRET_CHAIN:
    'The certificates of the secret lead to no trusted root, or are not those of a provisioning service.',
  ERR_SECRET_SIGNATURE: 'The secret is not signed by the key of its certificate.',
  ERR_SECRET_TIME: 'The secret has expired, or is older than allowed.',
  ERR_SECRET_CLAIMS: 'The claims of the secret are missing, of a wrong length, or contradict its mode.',
  ERR_SECRET_POLICY: 'The secret is not protected as it has to be: signed, or encrypted.',
  ERR_SECRET_DECRYPTION: 'The secret does not decrypt for this machine.',
} as const);

export type SecretErrorCode = keyof typeof SECRET_REFUSALS;

/** Refuses a secret. Nothing of it is told. */
export function refuseSecret(code: SecretErrorCode, because: string, cause?: unknown): VerificationError {
  const check: Check = { name: SECRET_REFUSALS[code], ok: false, code, actual: because };
  return new VerificationError(code, `${SECRET_REFUSALS[code].slice(0, -1)}: ${because}`, [check], cause);
}

/** A token taken apart, of which nothing is believed yet. */
export interface SecretToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: Uint8Array;
  /** Empty: it is not signed. */
  readonly signature: Uint8Array;
  /** Leaf first; empty: it carries none. */
  readonly certificates: readonly Certificate[];
}

const PURPOSE = 'secrets-provisioning';
const MAX_LENGTH = 256 * 1024;
const MAX_DEPTH = 8;
const MAX_CERTIFICATES = 8;

/**
 * Takes a token apart; undefined for anything that does not say in its header that it carries a provisioned secret, which
 * some callers take for the secret itself.
 *
 * @throws VerificationError `ERR_SECRET_FORMAT` for a malformed token
 */
export function splitSecretToken(text: string): SecretToken | undefined {
  if (text.length > MAX_LENGTH) throw refuseSecret('ERR_SECRET_FORMAT', `it is longer than ${MAX_LENGTH} characters`);
  const parts = text.split('.', 4);
  const header = parts.length === 3 ? objectOf(parts[0] ?? '') : undefined;
  if (header?.['x-az-cvm-purpose'] === undefined) return undefined;
  if (header['x-az-cvm-purpose'] !== PURPOSE) throw refuseSecret('ERR_SECRET_FORMAT', 'it is for another purpose');
  const [, payload = '', signature = ''] = parts;
  const claims = objectOf(payload);
  const signatureBytes = unpadded(signature);
  if (claims === undefined || signatureBytes === undefined) {
    throw refuseSecret('ERR_SECRET_FORMAT', 'its claims or its signature are malformed');
  }
  return {
    header,
    claims,
    signed: utf8Bytes(text.slice(0, text.lastIndexOf('.'))),
    signature: signatureBytes,
    certificates: certificatesOf(header.x5c),
  };
}

function objectOf(part: string): Record<string, unknown> | undefined {
  const bytes = unpadded(part);
  if (bytes === undefined) return undefined;
  try {
    const value = parseStrictJson(bytes, MAX_DEPTH);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

/** The service writes padding, other encoders do not (RFC 7515 section 2). */
function unpadded(part: string): Uint8Array | undefined {
  const padded = part.endsWith('=');
  if (padded && part.length % 4 !== 0) return undefined;
  return decodeBase64url(padded ? part.replace(/={1,2}$/, '') : part);
}

function certificatesOf(x5c: unknown): Certificate[] {
  if (x5c === undefined) return [];
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > MAX_CERTIFICATES) {
    throw refuseSecret('ERR_SECRET_CHAIN', `x5c is not a list of 1 to ${MAX_CERTIFICATES} certificates`);
  }
  return x5c.map((text: unknown) => {
    const der = typeof text === 'string' ? decodeBase64(text) : undefined;
    if (der === undefined) throw refuseSecret('ERR_SECRET_CHAIN', 'a certificate is not base64');
    try {
      return parseCertificate(der);
    } catch (error) {
      if (error instanceof AttestationError) throw refuseSecret('ERR_SECRET_CHAIN', error.message, error);
      throw error;
    }
  });
}
