import { InvalidArgumentError } from 'commander';

/**
 * Bytes given on the command line: `hex:…`, `base64:…` (either alphabet) or `text:…`; without a prefix an even number of
 * hexadecimal digits is hex and anything else is text in UTF-8.
 */
export function parseBytes(argument: string): Uint8Array {
  const prefixed = /^(hex|base64|text):(.*)$/s.exec(argument);
  const form = prefixed?.[1] ?? (isHex(argument) ? 'hex' : 'text');
  const value = prefixed?.[2] ?? argument;
  if (value === '') throw new InvalidArgumentError('It is empty.');
  if (form === 'text') return Buffer.from(value, 'utf8');
  if (form === 'hex') {
    if (!isHex(value)) throw new InvalidArgumentError('hex: takes an even number of hexadecimal digits.');
    return Buffer.from(value, 'hex');
  }
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) throw new InvalidArgumentError('base64: takes base64 or base64url.');
  return Buffer.from(value, 'base64');
}

/** PCR indices such as `0-7,11`, ascending and without repeats. */
export function parsePcrs(argument: string): number[] {
  const indices = new Set<number>();
  for (const part of argument.split(',')) {
    const range = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part.trim());
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? range?.[1]);
    if (range === null || last > 23 || first > last) {
      throw new InvalidArgumentError('PCRs are numbers from 0 to 23, such as 0-7,11.');
    }
    for (let index = first; index <= last; index++) indices.add(index);
  }
  return [...indices].sort((a, b) => a - b);
}

/** A port, a count: a whole number between bounds. */
export function parseInteger(minimum: number, maximum: number): (argument: string) => number {
  return (argument) => {
    const value = /^\d{1,15}$/.test(argument) ? Number(argument) : Number.NaN;
    if (!(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`It takes a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

function isHex(text: string): boolean {
  return text.length > 0 && text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text);
}
