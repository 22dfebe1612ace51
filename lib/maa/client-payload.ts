import { encodeBase64 } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';

/** Names and values together, in UTF-8. A payload is for a nonce and a few words about the caller. */
const MAX_PAYLOAD_BYTES = 64 * 1024;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The client payload as `ClientPayload` of the request: each value the base64 of its UTF-8 text, `null` when there is
 * nothing to send. The service returns it in `x-ms-runtime.client-payload` of the token.
 *
 * Takes a JSON text, as the reference library does, or an object. Numbers, booleans and null become text (`5`, `true`,
 * empty); an array has the names `0`, `1`, …; of a name that occurs twice in a string the last one counts; a string that holds
 * a bare string, number or boolean is taken for no payload.
 * Unlike in the reference library a nested value is refused instead of ending the process, comments and anything after
 * the closing brace are refused, and so are integers that JavaScript cannot hold exactly.
 *
 * @throws AttestationError 8
 */
export function encodeClientPayload(payload: unknown): Record<string, string> | null {
  if (payload === undefined || payload === null) return null;
  let values: unknown = payload;
  if (typeof payload === 'string') {
    values = parse(payload);
    if (typeof values !== 'object' || values === null) return null;
  } else if (!isPlain(payload)) {
    throw refused('must be a JSON text or a plain object');
  }
  const entries = Object.entries(values as object).map(([name, value]) => [name, textOf(name, value)] as const);
  if (entries.length === 0) return null;
  let size = 0;
  const encoded = entries.map(([name, text]) => {
    if (LONE_SURROGATE.test(name) || LONE_SURROGATE.test(text)) throw refused('is not valid Unicode');
    const bytes = utf8Bytes(text);
    size += bytes.length + utf8Bytes(name).length;
    if (size > MAX_PAYLOAD_BYTES) throw refused(`is longer than ${MAX_PAYLOAD_BYTES} bytes`);
    return [name, encodeBase64(bytes)] as const;
  });
  // Members in byte order of their names, as everywhere in the reference client's request.
  return Object.fromEntries(encoded.sort(([a], [b]) => compareBytes(utf8Bytes(a), utf8Bytes(b))));
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return at === -1 ? one.length - other.length : (one[at] as number) - (other[at] ?? -1);
}

function parse(text: string): unknown {
  // Ten characters of JSON a byte, at the very most: beyond that it need not be parsed to be refused.
  if (text.length > 10 * MAX_PAYLOAD_BYTES) throw refused(`is longer than ${MAX_PAYLOAD_BYTES} bytes`);
  try {
    return JSON.parse(text);
  } catch {
    throw refused('is not JSON');
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw refused(`holds a number that is not exact: write ${JSON.stringify(name)} as a string`);
    }
    return String(value);
  }
  throw refused(`may hold strings, numbers, booleans and null, and ${JSON.stringify(name)} is not one of them`);
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

const refused = (why: string): AttestationError =>
  new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `the client payload ${why}`);
