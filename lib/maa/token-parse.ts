import { isUtf8 } from 'node:buffer';
import { isJsonObject, parseStrictJson, StrictJsonError } from './strict-json.js';
import type { AttestationClaims } from './token-claims.js';
import { refuseToken } from './token-errors.js';

/** Longest token that is looked at, in characters. Real ones have about 5,000. */
export const MAX_TOKEN_LENGTH = 64 * 1024;
/** Deepest nesting of a token's JSON. Real ones have 6 levels. */
export const MAX_TOKEN_NESTING = 32;

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** Protected header of a token. Only `alg` and `kid` are ever acted on. */
export interface TokenHeader {
  alg: string;
  kid?: string;
  jku?: string;
  typ?: string;
  [member: string]: unknown;
}

export interface ParsedToken {
  header: TokenHeader;
  claims: Record<string, unknown>;
}

/** Splits and decodes a compact JWS without believing a word of it. Throws VerificationError. */
export function parseToken(token: string): ParsedToken {
  if (typeof token !== 'string') throw refuseToken('ERR_TOKEN_FORMAT', 'it is not a string');
  if (token.length > MAX_TOKEN_LENGTH) throw refuseToken('ERR_TOKEN_SIZE', `it has ${token.length} characters`);
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    throw refuseToken('ERR_TOKEN_FORMAT', 'it does not have three parts');
  }
  if (!isBase64Url(token.slice(second + 1))) {
    throw refuseToken('ERR_TOKEN_FORMAT', 'the signature is not base64url without padding');
  }
  const header = parsePart(token.slice(0, first), 'header');
  const claims = parsePart(token.slice(first + 1, second), 'claims');
  if (typeof header.alg !== 'string') throw refuseToken('ERR_TOKEN_ALGORITHM', 'the header names none');
  for (const name of ['kid', 'jku', 'typ']) {
    if (header[name] !== undefined && typeof header[name] !== 'string') {
      throw refuseToken('ERR_TOKEN_FORMAT', `the header’s ${name} is not a string`);
    }
  }
  return { header: header as TokenHeader, claims };
}

function parsePart(part: string, what: string): Record<string, unknown> {
  if (!isBase64Url(part)) {
    throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not base64url without padding`);
  }
  const bytes = Buffer.from(part, 'base64url');
  if (!isUtf8(bytes)) throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not UTF-8`);
  try {
    const value = parseStrictJson(bytes.toString('utf8'), MAX_TOKEN_NESTING);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    if (error.reason === 'depth') throw refuseToken('ERR_TOKEN_NESTING', `in the ${what}`);
    if (error.reason === 'duplicate') throw refuseToken('ERR_TOKEN_DUPLICATE_CLAIM', `in the ${what}`);
    throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not JSON`);
  }
  throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not a JSON object`);
}

/** RFC 7515 section 2: no padding, no other characters; a length of 4n + 1 decodes to nothing whole. */
function isBase64Url(part: string): boolean {
  return part.length % 4 !== 1 && BASE64URL.test(part);
}

/**
 * Decodes a token **without verifying anything**: for display and diagnosis. Decide nothing by what it returns; use
 * {@link verifyToken} for that.
 *
 * Bounded like verification: 64 KiB, 32 levels, no repeated member. Throws a {@link VerificationError} on what is not a
 * token at all.
 */
export function decodeUnverifiedToken(token: string): { header: TokenHeader; claims: AttestationClaims } {
  const { header, claims } = parseToken(token);
  return { header, claims: claims as unknown as AttestationClaims };
}
