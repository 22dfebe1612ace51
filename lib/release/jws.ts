import { type Certificate, parseCertificate } from '../abi/x509.js';
import { decodeBase64, decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { AttestationError } from '../base/errors.js';
import { sha2 } from '../base/sha2.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import type { SignatureScheme } from '../engine/engine.js';

/** A compact JWS (RFC 7515) that carries its certificates; nothing of it is believed yet. */
export interface CertifiedJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
  /** `header.payload` as it was signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Signature algorithms that are allowed where a caller lists them; RS256 alone is the default. */
const SCHEMES = {
  RS256: { scheme: 'rsa-pkcs1', hash: 'SHA-256' },
  RS384: { scheme: 'rsa-pkcs1', hash: 'SHA-384' },
  RS512: { scheme: 'rsa-pkcs1', hash: 'SHA-512' },
  PS256: { scheme: 'rsa-pss', hash: 'SHA-256', saltLength: 32 },
} as const satisfies Record<string, SignatureScheme>;

export type JwsAlgorithm = keyof typeof SCHEMES;
export const JWS_ALGORITHMS = Object.keys(SCHEMES) as JwsAlgorithm[];

export const schemeOf = (algorithm: JwsAlgorithm): SignatureScheme => SCHEMES[algorithm];

/** Genuine answers have 9 to 15 KB. */
const MAX_LENGTH = 1024 * 1024;
const MAX_CERTIFICATES = 8;
const MAX_CERTIFICATE_TEXT = 16 * 1024;
const MAX_DEPTH = 16;

/** Splits a compact JWS. @throws Error with a message for a check, for what is not one */
export function splitJws(value: unknown): CertifiedJws {
  if (typeof value !== 'string') throw new MalformedJws('it is not a string');
  if (value.length > MAX_LENGTH) throw new MalformedJws(`it is longer than ${MAX_LENGTH} characters`);
  const parts = value.split('.', 4);
  if (parts.length !== 3 || parts.includes(''))
    throw new MalformedJws('it does not have three parts that are not empty');
  const [header, payload, signature] = parts.map((part) => decodeBase64url(part));
  if (header === undefined || payload === undefined || signature === undefined) {
    throw new MalformedJws('a part is not base64url without padding');
  }
  const signed = utf8Bytes(value.slice(0, value.lastIndexOf('.')));
  return { header: jsonObject(header, 'header'), payload, signed, signature };
}

/** Bytes of JSON that must be an object. @throws MalformedJws */
export function jsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(bytes, MAX_DEPTH);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new MalformedJws(`the ${what} is ${error.message}`);
    throw error;
  }
  if (!isJsonObject(value)) throw new MalformedJws(`the ${what} is not a JSON object`);
  return value;
}

/** The certificates of `x5c`, leaf first, whose fingerprints in the header are right. @throws MalformedJws */
export function certificatesOf({ header }: CertifiedJws): [Certificate, ...Certificate[]] {
  const { x5c } = header;
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > MAX_CERTIFICATES) {
    throw new MalformedJws(`x5c is not a list of 1 to ${MAX_CERTIFICATES} certificates`);
  }
  const [leaf, ...others] = x5c.map((text, index) => certificateOf(text, index));
  if (leaf === undefined) throw new MalformedJws('x5c is empty');
  for (const [name, hash] of [
    ['x5t', 'SHA-1'],
    ['x5t#S256', 'SHA-256'],
  ] as const) {
    const said = header[name];
    if (said !== undefined && said !== encodeBase64url(sha2(hash, leaf.der))) {
      throw new MalformedJws(`${name} is not the fingerprint of the first certificate`);
    }
  }
  return [leaf, ...others];
}

function certificateOf(text: unknown, index: number): Certificate {
  const der = typeof text === 'string' && text.length <= MAX_CERTIFICATE_TEXT ? decodeBase64(text) : undefined;
  if (der === undefined) throw new MalformedJws(`x5c[${index}] is not base64`);
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof AttestationError) throw new MalformedJws(`x5c[${index}]: ${error.message}`);
    throw error;
  }
}

/** Why an answer is not what it must be, in words for a check. */
export class MalformedJws extends Error {
  override readonly name = 'MalformedJws';
}
