import { UsageError } from '../exit.js';
import { readText } from './files.js';

const MAX_PAYLOAD_BYTES = 1 << 20;

/**
 * Client payload from the command line: `name=value` any number of times, or once a JSON object, or `@file` with one.
 * Other JSON is left to the library, which says what it takes.
 */
export async function readPayload(values: readonly string[]): Promise<string | Record<string, string>> {
  const [first = '', ...others] = values;
  if (others.length === 0 && first.startsWith('@')) return readText(first.slice(1), MAX_PAYLOAD_BYTES);
  if (others.length === 0 && /^\s*[{[]/.test(first)) return first;
  const pairs = values.map((value) => {
    const separator = value.indexOf('=');
    if (separator < 1)
      throw new UsageError(`--payload takes name=value, a JSON object or @file, not ${JSON.stringify(value)}`);
    return [value.slice(0, separator), value.slice(separator + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

/** Pairs alone: what a token must carry. */
export async function readExpectedPayload(values: readonly string[]): Promise<Record<string, string>> {
  const payload = await readPayload(values);
  if (typeof payload !== 'string') return payload;
  let parsed: unknown;
  try {
    parsed = JSON.parse(payload);
  } catch {
    throw new UsageError('--payload is not JSON');
  }
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) || !Object.values(parsed).every(isText)) {
    throw new UsageError('--payload must be a JSON object of texts');
  }
  return parsed as Record<string, string>;
}
