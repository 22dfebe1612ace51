import { decodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import type { VerificationError } from '../base/errors.js';
import { readArguments, waiting } from '../base/options.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import type { AttestationClaims } from './claims.js';
import { refuseToken } from './errors.js';

/** Longest token that is looked at, in characters. Real ones have about 5,000. */
export const MAX_TOKEN_LENGTH = 64 * 1024;
/** What is checked of every token before anything else. */
export const TOKEN_PARTS = 'token of three parts';
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
  if (typeof token !== 'string') throw malformed(`not a string${waiting(token)}`);
  if (token.length > MAX_TOKEN_LENGTH) {
    throw refuseToken('ERR_TOKEN_SIZE', `at most ${MAX_TOKEN_LENGTH} characters`, String(token.length));
  }
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first === -1 || second === -1 || token.includes('.', second + 1)) {
    throw malformed(mistaken(token) ?? 'other than three parts');
  }
  const signature = decodePart(token, token.slice(second + 1), 'signature');
  const header = parsePart(token, token.slice(0, first), 'header');
  if (typeof header.alg !== 'string') throw refuseToken('ERR_TOKEN_ALGORITHM', 'signature algorithm', 'none');
  for (const name of ['kid', 'jku', 'typ']) {
    if (header[name] !== undefined && typeof header[name] !== 'string') throw malformed(`${name} is not a string`);
  }
  const claims = parsePart(token, token.slice(first + 1, second), 'claims');
  return { header: header as TokenHeader, claims, signed: utf8Bytes(token.slice(0, second)), signature };
}

function malformed(why: string): VerificationError {
  return refuseToken('ERR_TOKEN_FORMAT', TOKEN_PARTS, why);
}

/** A part of a token as the JSON object that it has to be. Throws VerificationError, whose message quotes nothing. */
export function parsePart(token: string, part: string, what: string): Record<string, unknown> {
  const bytes = decodePart(token, part, what);
  try {
    const value = parseStrictJson(bytes, MAX_TOKEN_NESTING);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const { reason, message } = error;
    if (reason === 'depth') throw refuseToken('ERR_TOKEN_NESTING', `nesting of the ${what}`, message);
    if (reason === 'duplicate') throw refuseToken('ERR_TOKEN_DUPLICATE_CLAIM', `members of the ${what}`, message);
  }
  throw malformed(`the ${what} part is not a JSON object`);
}

function decodePart(token: string, part: string, what: string): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64url(part);
  if (bytes === undefined) throw malformed(mistaken(token) ?? `the ${what} part is not base64url`);
  return bytes;
}

/** The commonest slips, named: each of them is a token with something around it. */
function mistaken(token: string): string | undefined {
  if (/^bearer\s/i.test(token.trim())) return 'it begins with “Bearer ”';
  if (/\s$/.test(token)) return 'it ends with a line end or a blank';
  if (/^\s/.test(token)) return 'it begins with a blank';
  return token.split('.').length === 5 ? 'it is encrypted (a JWE)' : undefined;
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
