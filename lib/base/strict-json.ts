import { utf8Text } from './bytes.js';

/**
 * Untrusted JSON: bounded nesting, no member named twice. `JSON.parse` keeps the last of two equal names where
 * other parsers keep the first, so two readers of one text can see different claims (RFC 8259 section 4).
 */

export type JsonRefusal = 'depth' | 'duplicate' | 'syntax';

/** Why a JSON text was refused. Carries nothing of the text. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  readonly reason: JsonRefusal;

  constructor(reason: JsonRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const DEFAULT_MAX_DEPTH = 16;
/** Up to this length any nesting may safely be parsed before it is looked at. */
const SHORT_TEXT = 64 * 1024;
const BLANKS_BEFORE_COLON = [' :', '\t:', '\n:', '\r:'];

/**
 * Parses JSON, refusing what is not UTF-8, nesting deeper than `maxDepth`, and any repeated member name. The caller
 * bounds the length.
 *
 * @throws {StrictJsonError}
 */
export function parseStrictJson(json: string | Uint8Array, maxDepth = DEFAULT_MAX_DEPTH): unknown {
  const text = typeof json === 'string' ? json : decodeUtf8(json);
  const written = text.length > SHORT_TEXT ? countMembers(text, maxDepth) : estimateMembers(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError('syntax', 'not valid JSON');
  }
  // Every member is written with one colon outside a string; a repeated name leaves fewer members than colons.
  const kept = countKept(value, maxDepth);
  if (kept !== written && kept !== countMembers(text, maxDepth)) {
    throw new StrictJsonError('duplicate', 'a member name occurs twice');
  }
  return value;
}

function decodeUtf8(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === undefined) throw new StrictJsonError('syntax', 'not valid JSON in UTF-8');
  return text;
}

/**
 * Members written in a JSON text, or more, by a search that skips what is in between; undefined where that might find
 * fewer. Without escapes each quote begins or ends a string, and without blanks before colons each member has `":`. So
 * has a string that begins with a colon, which is what the exact count is for.
 */
function estimateMembers(text: string): number | undefined {
  if (text.includes('\\') || BLANKS_BEFORE_COLON.some((blank) => text.includes(blank))) return undefined;
  let count = 0;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    if (text.charCodeAt(at - 1) === QUOTE) count++;
  }
  return count;
}

/** Colons outside strings: exact for a JSON text. */
function countMembers(text: string, maxDepth: number): number {
  let depth = 0;
  let colons = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case COLON:
        colons++;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > maxDepth) throw tooDeep(maxDepth);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
    }
  }
  return colons;
}

/** Index of the quote that ends the string opened at `start`, or the end of the text. */
export function endOfString(text: string, start: number): number {
  const quote = text.indexOf('"', start + 1);
  if (quote === -1) return text.length;
  let escapes = 0;
  while (text.charCodeAt(quote - 1 - escapes) === BACKSLASH) escapes++;
  if (escapes % 2 === 0) return quote;
  // Searched for is only the first: in a text of nothing but escaped quotes a search for each takes ten times as long.
  for (let at = quote + 1; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) return at;
    if (character === BACKSLASH) at++;
  }
  return text.length;
}

function countKept(value: unknown, levels: number, maxDepth = levels): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0) throw tooDeep(maxDepth);
  let count = 0;
  if (Array.isArray(value)) {
    for (const member of value) if (typeof member === 'object') count += countKept(member, levels - 1, maxDepth);
    return count;
  }
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    count++;
    const member = (value as Record<string, unknown>)[name];
    if (typeof member === 'object') count += countKept(member, levels - 1, maxDepth);
  }
  return count;
}

function tooDeep(maxDepth: number): StrictJsonError {
  return new StrictJsonError('depth', `nested more than ${maxDepth} levels deep`);
}

/** Whether a parsed value is an object and not an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
