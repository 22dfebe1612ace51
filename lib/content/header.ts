import { parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import { EPHEMERAL_KEY_ID } from '../token/ephemeral-key.js';
import { decodeBase64url } from './bytes.js';
import { invalid } from './errors.js';

/** Longest protected header that is read, in base64url characters. Ours has about 200. */
export const MAX_PROTECTED_LENGTH = 4096;

/** What a wrapped key is for: bound by the tag, so that a session's metadata opens no stream. */
export type Purpose = 'message' | 'session' | 'stream';

const TYP: Readonly<Record<Exclude<Purpose, 'message'>, string>> = {
  session: 'cvm-session+jwe',
  stream: 'cvm-stream+jwe',
};

/** The protected header of an accepted JWE. */
export interface ProtectedHeader {
  /** As received, base64url: what the tag covers. */
  encoded: string;
  /** RFC 7638 thumbprint of the key that the sender used. JWEs of other libraries may lack it. */
  thumbprint?: string;
  /** For sessions: whether the messages come in order and with an end. */
  ordered: boolean;
}

/** The protected header of a JWE to the key with this thumbprint (RFC 7516 section 4), base64url. */
export function encodeHeader(
  thumbprint: string,
  options: { purpose?: Purpose; ordered?: boolean; contentType?: string } = {},
): string {
  const { purpose = 'message', ordered = false, contentType } = options;
  const header = {
    alg: 'RSA-OAEP-256',
    enc: 'A256GCM',
    kid: EPHEMERAL_KEY_ID,
    jkt: thumbprint,
    ...(purpose !== 'message' && { typ: TYP[purpose] }),
    ...(ordered && { ord: true }),
    ...(contentType !== undefined && { cty: contentType }),
  };
  return Buffer.from(JSON.stringify(header)).toString('base64url');
}

/** The header that was accepted last: all messages to one key have the same. */
let accepted: { header: ProtectedHeader; purpose: Purpose } | undefined;

/**
 * Accepts exactly RSA-OAEP-256 with A256GCM and nothing that changes what that means.
 *
 * @throws AttestationError 8
 */
export function decodeHeader(encoded: unknown, purpose: Purpose): Readonly<ProtectedHeader> {
  if (encoded !== accepted?.header.encoded || purpose !== accepted?.purpose) {
    accepted = { header: parseHeader(encoded, purpose), purpose };
  }
  return accepted.header;
}

function parseHeader(encoded: unknown, purpose: Purpose): ProtectedHeader {
  if (typeof encoded !== 'string' || encoded.length === 0) throw invalid('the JWE has no protected header');
  if (encoded.length > MAX_PROTECTED_LENGTH) throw invalid('the protected header of the JWE is too long');
  let header: unknown;
  try {
    header = parseStrictJson(decodeBase64url(encoded, 'the protected header'));
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalid('the protected header of the JWE is not acceptable JSON');
    throw error;
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw invalid('the protected header of the JWE is not a JSON object');
  }
  const { alg, enc, typ, jkt, ord, zip, crit } = header as Record<string, unknown>;
  if (alg !== 'RSA-OAEP-256') throw invalid('the JWE must have alg RSA-OAEP-256');
  if (enc !== 'A256GCM') throw invalid('the JWE must have enc A256GCM');
  // Compression before encryption tells the length of what was compressed; a critical extension is one we do not know.
  if (zip !== undefined) throw invalid('a compressed JWE (zip) is refused');
  if (crit !== undefined) throw invalid('a JWE with critical extensions (crit) is refused');
  if (jkt !== undefined && typeof jkt !== 'string') throw invalid('jkt in the protected header must be a string');
  checkPurpose(typ, purpose);
  return { encoded, ordered: ord === true, ...(jkt !== undefined && { thumbprint: jkt }) };
}

function checkPurpose(typ: unknown, purpose: Purpose): void {
  if (purpose === 'message') {
    if (Object.values(TYP).some((other) => other === typ)) throw invalid('the JWE holds the key of something else');
  } else if (typ !== TYP[purpose]) {
    throw invalid(`the JWE does not hold the key of a ${purpose}`);
  }
}
