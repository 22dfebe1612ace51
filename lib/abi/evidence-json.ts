import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { isBytes } from '../base/bytes.js';
import { AttestationError, messageOf } from '../base/errors.js';
import { custom } from '../base/option-kinds.js';
import { invalid, type OptionKind, readArguments } from '../base/options.js';
import { parseStrictJson } from '../base/strict-json.js';
import type { Evidence } from './evidence.js';
import { collateralTable, evidenceShape, objectOf } from './evidence-shape.js';
import { emptyInput, malformed } from './input.js';

/** What evidence as JSON may hold; genuine evidence has some 200 KiB and 100 members. docs/evidence.md has all limits. */
export const EVIDENCE_JSON_LIMITS = /* @__PURE__ */ Object.freeze({
  bytes: 2 * 1024 * 1024,
  values: 32_768,
  chain: 16,
});

const REFUSED = 'the evidence is refused';

const BASE64URL: OptionKind<Uint8Array> = custom((value, name) => {
  const bytes = typeof value === 'string' ? decodeBase64url(value) : undefined;
  if (bytes === undefined) throw invalid(`${name} must be base64url without padding`);
  return bytes;
});

const FROM_JSON = evidenceShape({
  bytes: () => BASE64URL,
  collateral: objectOf(collateralTable(BASE64URL), true),
  pem: /^\s*-----BEGIN /,
  exact: true,
});

/** Written, bytes are text. */
const ENCODED = custom((value, name) => {
  if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array`);
  return encodeBase64url(value);
}) as OptionKind<unknown> as OptionKind<Uint8Array>;

const TO_JSON = evidenceShape({
  bytes: () => ENCODED,
  collateral: objectOf(collateralTable(ENCODED), false),
  pem: /^/,
  exact: false,
});

/**
 * Evidence as JSON, version 1 (docs/evidence.md): bytes in base64url without padding, PEM certificates as they are.
 */
export function evidenceToJson(evidence: Evidence): string {
  return readArguments('evidenceToJson', () => JSON.stringify(TO_JSON.check(evidence, 'evidence')));
}

/**
 * Lets `JSON.stringify` of the evidence, alone or inside of something, write what {@link evidenceToJson} writes. The
 * method is not enumerable: a copy made by spreading is without it.
 */
export function stringifiable(evidence: Evidence): Evidence {
  return Object.defineProperty(evidence, 'toJSON', {
    value: () => TO_JSON.check(evidence, 'evidence'),
    configurable: true,
  });
}

/**
 * Reads what {@link evidenceToJson} wrote: text, UTF-8, or the object that a JSON parser has made of it; at most 2 MiB.
 * Strict: an unknown or doubled member, another version or sloppy base64url is refused, so that one evidence has one
 * meaning. Nothing is verified.
 *
 * @throws {AttestationError} 8 for neither text nor bytes, 21 for no text, 20 for anything else that is wrong, naming the
 * member.
 */
export function evidenceFromJson(json: string | Uint8Array | object): Evidence {
  return readArguments('evidenceFromJson', () => readEvidence(json));
}

function readEvidence(json: string | Uint8Array | object): Evidence {
  const value = typeof json === 'string' || isBytes(json) ? parseEvidenceJson(json) : json;
  try {
    return stringifiable(FROM_JSON.check(value, 'evidence'));
  } catch (error) {
    throw error instanceof AttestationError ? malformed(REFUSED, error.message) : error;
  }
}

/** JSON text of at most 2 MiB and 32768 values, without ambiguities. */
export function parseEvidenceJson(json: string | Uint8Array): unknown {
  if (typeof json !== 'string' && !isBytes(json)) {
    throw invalid('a string or a Uint8Array is needed');
  }
  if (json.length === 0) throw emptyInput('the evidence');
  if (json.length > EVIDENCE_JSON_LIMITS.bytes) throw malformed(REFUSED, 'larger than 2 MiB');
  const comma = typeof json === 'string' ? ',' : 0x2c;
  if (hasMoreThan(json, comma, EVIDENCE_JSON_LIMITS.values)) throw malformed(REFUSED, 'more than 32768 values');
  try {
    return parseStrictJson(json);
  } catch (cause) {
    throw malformed(REFUSED, messageOf(cause), cause);
  }
}

/** Looks before anything is parsed, because parsing a million members takes seconds. */
function hasMoreThan(json: string | Uint8Array, comma: string | number, count: number): boolean {
  let found = 0;
  const indexOf = (from: number): number =>
    typeof json === 'string' ? json.indexOf(comma as string, from) : json.indexOf(comma as number, from);
  for (let at = indexOf(0); at !== -1; at = indexOf(at + 1)) if (++found > count) return true;
  return false;
}
