import { AttestationError, ErrorCode } from '../base/errors.js';
import { parseEvidenceJson } from './evidence-json.js';
import { decodeBase64url, decodeHex, JsonMembers } from './json-members.js';
import { parseTpmsAttest, TpmHash } from './tpm-structures.js';
import type { Evidence, EvidenceQuote } from './types.js';

const PCRS = 24;
const DIGEST_SIZE = 32;
const MAXIMUM_PART = 4096;

/**
 * Reads a quote that the az-snp-vtpm crate (kinvolk/azure-cvm-tooling) wrote with bincode: length-prefixed signature,
 * length-prefixed TPMS_ATTEST, 24 SHA-256 PCR values. Only the values that the quote selects are taken.
 *
 * @throws {AttestationError} 8 for no Uint8Array, 21 for no bytes, 20 for anything malformed.
 */
export function importBincodeQuote(bytes: Uint8Array): EvidenceQuote {
  if (!(bytes instanceof Uint8Array)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a quote in bincode is a Uint8Array');
  }
  if (bytes.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the quote is empty');
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  let at = 0;
  const take = (size: number): Uint8Array => {
    if (size > copy.length - at) throw refused('a quote in bincode is truncated');
    at += size;
    return copy.subarray(at - size, at);
  };
  const length = (): number => {
    take(8);
    const value = view.getBigUint64(at - 8, true);
    if (value > BigInt(MAXIMUM_PART)) throw refused('a quote in bincode holds an oversized part');
    return Number(value);
  };
  const signature = take(length());
  const message = take(length());
  if (length() !== PCRS) throw refused('a quote in bincode holds 24 PCR values');
  const values = Array.from({ length: PCRS }, () => take(DIGEST_SIZE));
  if (at !== copy.length) throw refused('a quote in bincode is followed by other bytes');
  return quoteOf(message, signature, values);
}

/**
 * Reads the evidence that confidential-containers' attester for Azure SNP vTPMs sends to Trustee, version 1 and the form
 * before it. It has no chain: add ASK and ARK (from AMD's KDS, or your own copy) before verifying.
 *
 * @throws {AttestationError} 8 for neither text nor bytes, 21 for no text, 20 for anything malformed.
 */
export function importTrusteeEvidence(json: string | Uint8Array): Evidence {
  const members = new JsonMembers(parseEvidenceJson(json));
  const evidence = members.has('version') ? readVersion1(members) : readVersion0(members);
  members.finish();
  return evidence;
}

function readVersion1(members: JsonMembers): Evidence {
  if (members.take('version') !== 1) throw members.refused('version', '1');
  const quote = members.object('tpm_quote');
  const signature = quote.hex('signature');
  const message = quote.hex('message');
  const pcrs = quote.array('pcrs').map((value) => decodeHex(value) ?? fail(quote.refused('pcrs', 'hex digits')));
  quote.finish();
  return {
    version: 1,
    hclReport: paddedBase64url(members, 'hcl_report'),
    quote: quoteOf(message, signature, pcrs),
    certificates: { vcek: paddedBase64url(members, 'vcek') },
  };
}

function readVersion0(members: JsonMembers): Evidence {
  const quote = members.object('quote');
  const signature = byteArray(quote, 'signature', quote.take('signature'));
  const message = byteArray(quote, 'message', quote.take('message'));
  const pcrs = quote.array('pcrs').map((value) => byteArray(quote, 'pcrs', value));
  quote.finish();
  return {
    version: 1,
    hclReport: byteArray(members, 'report', members.take('report')),
    quote: quoteOf(message, signature, pcrs),
    certificates: { vcek: members.text('vcek') },
  };
}

// All 24 values come along whatever was quoted; only the selected ones are anybody's word.
function quoteOf(message: Uint8Array, signature: Uint8Array, pcrs: readonly Uint8Array[]): EvidenceQuote {
  const selections = parseTpmsAttest(message).quote?.pcrSelections ?? [];
  const selected = selections.find(({ hash }) => hash === TpmHash.SHA256)?.pcrs ?? [];
  const values: EvidenceQuote['pcrs']['values'] = {};
  for (const index of selected) {
    const value = pcrs[index];
    if (value !== undefined) values[index] = value;
  }
  return { message, signature, pcrs: { alg: 'sha256', values } };
}

function paddedBase64url(members: JsonMembers, name: string): Uint8Array {
  const bytes = decodeBase64url(members.text(name).replace(/={1,2}$/, ''));
  return bytes ?? fail(members.refused(name, 'base64url'));
}

function byteArray(members: JsonMembers, name: string, value: unknown): Uint8Array {
  const isByte = (item: unknown): boolean => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= 255;
  if (!Array.isArray(value) || !value.every(isByte)) throw members.refused(name, 'an array of bytes');
  return Uint8Array.from(value as number[]);
}

function fail(error: Error): never {
  throw error;
}

function refused(message: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, message);
}
