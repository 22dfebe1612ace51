/** Why a text is refused by {@link parseStrictJson}. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
}

const MAXIMUM_DEPTH = 16;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * JSON as RFC 8259 wants it from a careful sender: valid UTF-8, no doubled member name (two readers would see two
 * values), at most 16 levels deep.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError('not valid JSON in UTF-8');
  }
  refuseAmbiguity(text);
  return value;
}

// Runs over text that JSON.parse has accepted, so only strings and brackets need to be told apart.
function refuseAmbiguity(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OBJECT:
        open.push(new Set());
        break;
      case ARRAY:
        open.push(undefined);
        break;
      case OBJECT_END:
      case ARRAY_END:
        open.pop();
        break;
      case QUOTE: {
        const end = stringEnd(text, at);
        if (isMemberName(text, end)) noteMember(open.at(-1), text.slice(at, end));
        at = end - 1;
        break;
      }
    }
    if (open.length > MAXIMUM_DEPTH) throw new StrictJsonError(`nested more than ${MAXIMUM_DEPTH} levels deep`);
  }
}

function stringEnd(text: string, begin: number): number {
  let at = begin + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function isMemberName(text: string, after: number): boolean {
  let at = after;
  while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++;
  return text.charCodeAt(at) === COLON;
}

function noteMember(members: Set<string> | undefined, literal: string): void {
  const name = JSON.parse(literal) as string; // one name may be spelled with escapes
  if (members?.has(name)) throw new StrictJsonError('a member name occurs twice');
  members?.add(name);
}
