import { isJsonObject } from './strict-json.js';

/**
 * JSON in the canonical form of RFC 8785: no blanks, members sorted by UTF-16 code units, texts and numbers as ECMAScript
 * writes them. The value must have come from JSON.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
  return `{${members.join(',')}}`;
}
