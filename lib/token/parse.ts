import { decodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { readArguments } from '../base/options.js';
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

/** A token as it came, decoded once. Nothing in it is proven. */
export interface UnverifiedToken {
  readonly header: TokenHeader;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What is signed: both parts in base64url with the dot between them, in ASCII. */
  readonly signed: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** Decodes a compact JWS without believing a word of it. Throws VerificationError. */
export function parseToken(token: unknown): UnverifiedToken {
  if (typeof token !== 'string') throw refuseToken('ERR_TOKEN_FORMAT', notText(token));
  if (token.length > MAX_TOKEN_LENGTH) throw refuseToken('ERR_TOKEN_SIZE', `it has ${token.length} characters`);
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    throw refuseToken('ERR_TOKEN_FORMAT', mistaken(token) ?? 'it does not have three parts');
  }
  const signature = decodePart(token, token.slice(second + 1), 'signature');
  const header = parsePart(token, token.slice(0, first), 'header');
  if (typeof header.alg !== 'string') throw refuseToken('ERR_TOKEN_ALGORITHM', 'the header names none');
  for (const name of ['kid', 'jku', 'typ']) {
    if (header[name] !== undefined && typeof header[name] !== 'string') {
      throw refuseToken('ERR_TOKEN_FORMAT', `the header’s ${name} is not a string`);
    }
  }
  const claims = parsePart(token, token.slice(first + 1, second), 'claims');
  return { header: header as TokenHeader, claims, signed: utf8Bytes(token.slice(0, second)), signature };
}

function parsePart(token: string, part: string, what: string): Record<string, unknown> {
  const bytes = decodePart(token, part, what);
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

function decodePart(token: string, part: string, what: string): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64url(part);
  if (bytes !== undefined) return bytes;
  throw refuseToken('ERR_TOKEN_FORMAT', mistaken(token) ?? `the ${what} part is not base64url without padding`);
}

/** The commonest slips, named: each of them is a token with something around it. */
function mistaken(token: string): string | undefined {
  if (/^\s*bearer\s/i.test(token)) return 'it begins with “Bearer ”, which is not part of it';
  if (/\s$/.test(token)) return 'it ends with a line end or another blank: trim it';
  if (/^\s/.test(token)) return 'it begins with a blank: trim it';
  if (token.split('.').length === 5) return 'it is encrypted (a JWE of five parts): decrypt it first';
  return undefined;
}

function notText(value: unknown): string {
  const isPromise = typeof value === 'object' && value !== null && 'then' in value;
  return isPromise ? 'it is a promise, not a string: is an await missing?' : 'it is not a string';
}

/**
 * Decodes a token **without verifying anything**: for display and diagnosis. Decide nothing by what it returns; use
 * `verifyToken` for that.
 *
 * Bounded like verification: 64 KiB, 32 levels, no repeated member. Throws a {@link VerificationError} on what is not a
 * token at all.
 */
export function decodeUnverifiedToken(token: string): { header: TokenHeader; claims: AttestationClaims } {
  const { header, claims } = readArguments('decodeUnverifiedToken', () => parseToken(token));
  return { header, claims: claims as unknown as AttestationClaims };
}
