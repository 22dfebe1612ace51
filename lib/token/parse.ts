import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import type { AttestationClaims } from './claims.js';
import { refuseToken } from './errors.js';

/** Longest token that is looked at, in characters. Real ones have about 5,000. */
export const MAX_TOKEN_LENGTH = 64 * 1024;
/** Deepest nesting of a token's JSON. Real ones have 6 levels. */
const MAX_TOKEN_NESTING = 32;

/** Protected header of a token. Only `alg` and `kid` are ever acted on. */
export interface TokenHeader {
  alg: string;
  kid?: string;
  jku?: string;
  typ?: string;
  [member: string]: unknown;
}

/** A token with its header decoded and its claims not yet. */
export interface TokenParts {
  header: TokenHeader;
  /** The claims as they were signed: base64url. */
  payload: string;
}

/** Splits a compact JWS and decodes its header without believing a word of it. Throws VerificationError. */
export function splitToken(token: string): TokenParts {
  if (typeof token !== 'string') throw refuseToken('ERR_TOKEN_FORMAT', 'it is not a string');
  if (token.length > MAX_TOKEN_LENGTH) throw refuseToken('ERR_TOKEN_SIZE', `it has ${token.length} characters`);
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    throw refuseToken('ERR_TOKEN_FORMAT', 'it does not have three parts');
  }
  decodePart(token.slice(second + 1), 'signature');
  const header = parsePart(token.slice(0, first), 'header');
  if (typeof header.alg !== 'string') throw refuseToken('ERR_TOKEN_ALGORITHM', 'the header names none');
  for (const name of ['kid', 'jku', 'typ']) {
    if (header[name] !== undefined && typeof header[name] !== 'string') {
      throw refuseToken('ERR_TOKEN_FORMAT', `the header’s ${name} is not a string`);
    }
  }
  return { header: header as TokenHeader, payload: token.slice(first + 1, second) };
}

/** Decodes the claims, still without believing them. Throws VerificationError. */
export function parseClaims({ payload }: TokenParts): Record<string, unknown> {
  return parsePart(payload, 'claims');
}

function parsePart(part: string, what: string): Record<string, unknown> {
  const bytes = decodePart(part, what);
  try {
    const value = parseStrictJson(bytes, MAX_TOKEN_NESTING);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    if (error.reason === 'depth') throw refuseToken('ERR_TOKEN_NESTING', `in the ${what}`);
    if (error.reason === 'duplicate') throw refuseToken('ERR_TOKEN_DUPLICATE_CLAIM', `in the ${what}`);
    throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is ${error.message}`);
  }
  throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not a JSON object`);
}

/** RFC 7515 section 2: base64url, no padding, nothing else in between; one text only for the same bytes. */
function decodePart(part: string, what: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  // Node's decoder takes both alphabets, skips what is in neither, which leaves fewer bytes than the length promises, and
  // ignores the unused bits of the last character.
  const rest = part.length % 4;
  const whole = rest !== 1 && bytes.length === Math.floor((part.length * 3) / 4);
  const tail = rest === 0 ? '' : bytes.subarray(bytes.length - rest + 1).toString('base64url');
  if (!whole || !part.endsWith(tail) || part.includes('+') || part.includes('/')) {
    throw refuseToken('ERR_TOKEN_FORMAT', `the ${what} part is not base64url without padding`);
  }
  return bytes;
}

/**
 * Decodes a token **without verifying anything**: for display and diagnosis. Decide nothing by what it returns; use
 * {@link verifyToken} for that.
 *
 * Bounded like verification: 64 KiB, 32 levels, no repeated member. Throws a {@link VerificationError} on what is not a
 * token at all.
 */
export function decodeUnverifiedToken(token: string): { header: TokenHeader; claims: AttestationClaims } {
  const parts = splitToken(token);
  return { header: parts.header, claims: parseClaims(parts) as unknown as AttestationClaims };
}
