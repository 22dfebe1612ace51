import { invalid } from '../../base/options.js';

/**
 * Headers of a request: `rawHeaders` of node:http and http2, pairs, or web `Headers`. A plain object is not taken, since it
 * has one of two equal headers at most.
 */
export type RequestHeaders = readonly string[] | readonly (readonly [string, string])[] | Headers;

/** Every value of a header, in the order of the request. */
export type HeaderValues = (name: string) => string[];

/** @throws {AttestationError} 8 for anything else. */
export function headerValues(headers: RequestHeaders): HeaderValues {
  if (typeof headers === 'object' && headers !== null && !Array.isArray(headers) && isWebHeaders(headers)) {
    return (name) => {
      const value = headers.get(name);
      // Two equal headers are one value with a comma here; neither a token nor a proof has one.
      return value === null ? [] : value.split(',').map((part) => part.trim());
    };
  }
  if (!Array.isArray(headers)) {
    throw invalid('headers must be raw header pairs (request.rawHeaders) or web Headers, so that duplicates are seen');
  }
  const pairs = pairsOf(headers as readonly unknown[]);
  return (name) => {
    const wanted = name.toLowerCase();
    return pairs.filter(([given]) => given.toLowerCase() === wanted).map(([, value]) => value);
  };
}

function isWebHeaders(headers: object): headers is Headers {
  return (
    typeof (headers as Partial<Headers>).get === 'function' && typeof (headers as Partial<Headers>).has === 'function'
  );
}

function pairsOf(headers: readonly unknown[]): [string, string][] {
  const flat: unknown[] = headers.some((header) => Array.isArray(header)) ? headers.flat(1) : [...headers];
  const isPaired = flat.length % 2 === 0 && flat.every((text) => typeof text === 'string');
  if (!isPaired) throw invalid('headers must be pairs of name and value');
  const pairs: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) pairs.push([flat[at] as string, flat[at + 1] as string]);
  return pairs;
}
