import { decodeBase64Lines, encodeBase64 } from '../base/base64url.js';
import { still, utf8Bytes } from '../base/bytes.js';
import { malformed, plainBytes } from './input.js';

/**
 * PEM (RFC 7468): text with blocks of base64. Lines before and between blocks are skipped, as RFC 7468 section 2 has it; a
 * block begins and ends with lines of its own, and inside nothing but base64 and line ends is allowed.
 */

export interface PemBlock {
  /** For instance `CERTIFICATE` or `X509 CRL`. */
  readonly label: string;
  readonly der: Uint8Array;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';
/** Far above any chain: three certificates take 7 KiB. */
const MAXIMUM_TEXT = 256 * 1024;
const MAXIMUM_BLOCKS = 16;

/**
 * The blocks of a PEM text, 1 to 16 of them, all with `label`.
 *
 * @throws {AttestationError} 20 for anything else.
 */
export function splitPem(text: string | Uint8Array, label: string, limit: number = MAXIMUM_TEXT): Uint8Array[] {
  return pemBlocks(text, limit).map((block) => {
    if (block.label !== label) throw malformed('PEM text', `a block that is not ${label}`);
    return block.der;
  });
}

/** The blocks of a PEM text with their labels, 1 to 16 of them. */
export function pemBlocks(input: string | Uint8Array, limit: number = MAXIMUM_TEXT): PemBlock[] {
  if (input.length > limit) throw malformed('PEM text', `larger than ${limit} bytes`);
  const bytes = typeof input === 'string' ? utf8Bytes(input) : still(plainBytes(input));
  // One character a byte.
  const text = latin1.decode(bytes);
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(BEGIN); at !== -1; at = text.indexOf(BEGIN, at)) {
    if (blocks.length === MAXIMUM_BLOCKS) throw malformed('PEM text', `more than ${MAXIMUM_BLOCKS} blocks`);
    if (at > 0 && !isLineEnd(text[at - 1])) throw malformed('PEM text', 'a block inside a line');
    const labelEnd = text.indexOf(DASHES, at + BEGIN.length);
    const label = text.slice(at + BEGIN.length, labelEnd);
    if (labelEnd === -1 || !/^[A-Z0-9 ]{1,64}$/.test(label)) throw malformed('PEM text', 'a header line');
    const bodyEnd = text.indexOf('-', labelEnd + DASHES.length);
    const trailer = `${END}${label}${DASHES}`;
    if (bodyEnd === -1 || !text.startsWith(trailer, bodyEnd)) throw malformed('PEM text', 'a block without its end');
    const der = decodeBase64Lines(bytes, labelEnd + DASHES.length, bodyEnd);
    if (der === undefined || der.length === 0) throw malformed('PEM text', 'a block that is not base64');
    blocks.push({ label, der });
    at = bodyEnd + trailer.length;
    if (at < text.length && !/[\s\0]/.test(text[at] as string)) throw malformed('PEM text', 'text behind a block');
  }
  if (blocks.length === 0) throw malformed('PEM text', 'no block');
  return blocks;
}

/** Certificates as they are handed in: one as DER, or PEM text with 1 to 16. Looks at nothing inside. */
export function certificateInputs(input: string | Uint8Array): Uint8Array[] {
  const isDer = typeof input !== 'string' && input[0] === 0x30;
  return isDer ? [input] : splitPem(input, 'CERTIFICATE');
}

/** One block, 64 characters a line, with a line end behind it. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return [`${BEGIN}${label}${DASHES}`, ...lines, `${END}${label}${DASHES}`, ''].join('\n');
}

const isLineEnd = (character: string | undefined): boolean => character === '\n' || character === '\r';

const latin1 = /* @__PURE__ */ new TextDecoder('latin1');
