import { malformed } from './refusal.js';

export type JsonObject = Record<string, unknown>;

/** Text as a JSON object; `what` names it in the refusal. */
export function parseJsonObject(text: string | Buffer, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    throw malformed(`${what} is not JSON`);
  }
  return asObject(value, what);
}

export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  return value as JsonObject;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw malformed(`${what} is not a string`);
  return value;
}

export function asUnsigned(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(`${what} is not an unsigned number`);
  return value as number;
}

/** An unsigned number, or its decimal digits as text: Microsoft's Python and Rust clients send those. */
export function asUnsignedOrDigits(value: unknown, what: string): number {
  return asUnsigned(typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value, what);
}

export function asArray(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw malformed(`${what} is not an array`);
  return value;
}

/** Bytes in base64 of either alphabet, padded or not: clients differ and the service takes them all (layouts.md 9). */
export function decodeBase64(value: unknown, what: string): Buffer {
  const text = asString(value, what);
  const digits = text.replace(/={0,2}$/, '');
  const mixed = /[+/]/.test(digits) && /[-_]/.test(digits);
  if (mixed || digits.length % 4 === 1 || !/^[\w+/-]*$/.test(digits)) throw malformed(`${what} is not base64`);
  return Buffer.from(digits, 'base64url');
}
