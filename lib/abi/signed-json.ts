import { endOfString, isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import { malformed } from './input.js';
import { hexBytes, readIntelJson } from './intel-json.js';

/** A JSON document that is signed byte for byte, as Intel's TCB info and QE identity are. */
export interface SignedJson {
  /** The text that the signature covers, exactly as received. */
  readonly text: string;
  /** `text` parsed: strict, no member twice. */
  readonly value: Readonly<Record<string, unknown>>;
  /** r ‖ s, 64 bytes, when it came in the same text. */
  readonly signature?: Uint8Array;
}

const MAXIMUM_TEXT = 512 * 1024;

/**
 * Takes the value of member `name` out of a service's answer `{ name: {…}, "signature": "hex" }` without changing a byte of
 * it, or takes the text as the value itself when it has no such member.
 *
 * @throws {AttestationError} 20 for anything that is not one JSON object, with one member of each name.
 */
export function readSignedJson(text: string, name: string): SignedJson {
  const value = parseObject(text, name);
  const inner = value[name];
  if (inner === undefined) return { text: text.trim(), value };
  if (!isJsonObject(inner)) throw malformed(name, 'not an object');
  const signed = { text: text.slice(...memberRange(text, name)), value: inner };
  const { signature } = value;
  if (signature === undefined) return signed;
  return { signature: signatureBytes(signature, name), ...signed };
}

/** r ‖ s of ECDSA P-256. */
const SIGNATURE = hexBytes(64);

export function signatureBytes(value: unknown, name: string): Uint8Array {
  return readIntelJson(SIGNATURE, value, `the signature of ${name}`);
}

function parseObject(text: string, name: string): Record<string, unknown> {
  if (text.length > MAXIMUM_TEXT) throw malformed(name, 'larger than 512 KiB');
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    if (error instanceof StrictJsonError) throw malformed(name, error.message, error);
    throw error;
  }
  if (!isJsonObject(value)) throw malformed(name, 'not a JSON object');
  return value;
}

/**
 * Where the value of the member `name` of the outermost object begins and ends. The text is valid JSON, so braces, brackets and
 * strings are all that has to be told apart.
 */
function memberRange(text: string, name: string): [start: number, end: number] {
  let depth = 0;
  let start = -1;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') {
      const end = endOfString(text, at) + 1;
      const isKey = depth === 1 && start === -1 && /^\s*:/.test(text.slice(end, end + 16));
      const isMember = isKey && JSON.parse(text.slice(at, end)) === name;
      if (isMember) start = text.indexOf('{', end);
      at = (isMember ? start : end) - 1;
    } else if ('{['.includes(character)) {
      depth++;
    } else if (']}'.includes(character) && --depth === 1 && start !== -1) {
      return [start, at + 1];
    }
  }
  throw malformed(name, 'not found');
}
