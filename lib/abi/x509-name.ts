import { copyBytes, latin1Text, utf8Text } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { DerReader } from './der.js';
import {
  BMP_STRING,
  IA5_STRING,
  NUMERIC_STRING,
  PRINTABLE_STRING,
  SEQUENCE,
  SET,
  TELETEX_STRING,
  UTF8_STRING,
} from './der-tags.js';
import { recently } from './recent-bytes.js';

/** A distinguished name. Two names are equal when their DER is: that is how issuers write their own. */
export interface DistinguishedName {
  readonly raw: Uint8Array;
  /** The first common name. */
  readonly commonName?: string;
  /** For people, as RFC 4514 writes it: `CN=Intel SGX Root CA, O=Intel Corporation, C=US`. */
  readonly text: string;
}

const COMMON_NAME = '2.5.4.3';
const SHORT_NAMES: Readonly<Record<string, string>> = {
  [COMMON_NAME]: 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
};
const SPECIAL = /[\\,+"<>;=]/;
const SPECIALS = /[\\,+"<>;=]/g;
const MAXIMUM_ATTRIBUTES = 32;
const MAXIMUM_VALUE = 1024;

/** Name of RFC 5280 section 4.1.2.4; an empty one is allowed. */
export function readName(reader: DerReader): DistinguishedName {
  const start = reader.at;
  reader.pass(SEQUENCE);
  return nameOf(reader.bytes, reader.structure, start, reader.at);
}

const nameOf = recently<DistinguishedName>(64, (bytes, structure, start, end) => {
  const raw = copyBytes(bytes.subarray(start, end));
  const names = new DerReader(raw, structure).enter();
  const parts: string[] = [];
  let commonName: string | undefined;
  while (!names.done) {
    const attributes = names.enter(SET);
    do {
      if (parts.length === MAXIMUM_ATTRIBUTES) throw names.fault('too many names');
      const attribute = attributes.enter();
      const type = attribute.oid();
      const { nextTag } = attribute;
      const content = attribute.content();
      attribute.end();
      const value = readValue(nextTag, content, names);
      if (type === COMMON_NAME) commonName ??= value;
      parts.push(`${SHORT_NAMES[type] ?? type}=${escaped(value)}`);
    } while (!attributes.done);
  }
  const text = parts.reverse().join(', ');
  return commonName === undefined ? { raw, text } : { raw, text, commonName };
});

function escaped(value: string): string {
  return SPECIAL.test(value) ? value.replace(SPECIALS, '\\$&') : value;
}

// A NUL or another control character makes two readers see two names.
function readValue(tag: number | undefined, content: Uint8Array, reader: DerReader): string {
  const text = decodeText(tag, content, reader);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) throw reader.fault('a control character');
  return text;
}

function decodeText(tag: number | undefined, content: Uint8Array, reader: DerReader): string {
  if (content.length > MAXIMUM_VALUE) throw reader.fault('too long a name');
  switch (tag) {
    case UTF8_STRING: {
      const text = isBelow(0x80, content) ? latin1Text(content) : utf8Text(content);
      if (text === undefined) throw reader.fault('a name that is not UTF-8');
      return text;
    }
    case PRINTABLE_STRING:
    case IA5_STRING:
      if (!isBelow(0x7f, content)) throw reader.fault('a name that is not ASCII');
      return latin1Text(content);
    case BMP_STRING:
      if (content.length % 2 !== 0) throw reader.fault('half a character');
      return new TextDecoder('utf-16be').decode(content);
    case NUMERIC_STRING:
    case TELETEX_STRING:
      // Obsolete, and read differently by different readers: shown by their bytes.
      return `#${hex(content)}`;
    default:
      throw reader.fault('a name that is not text');
  }
}

function isBelow(limit: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] as number) >= limit) return false;
  return true;
}
