import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { isBytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { bytesFromHex, hex } from '../base/hex.js';
import { readArguments } from '../base/options.js';
import type { Evidence, EvidenceQuote } from './evidence.js';
import { parseEvidenceJson, stringifiable } from './evidence-json.js';
import { JsonMembers } from './json-members.js';
import { splitPem } from './pem.js';
import { parseTpmsAttest, TpmHash } from './tpm.js';

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
  if (!isBytes(bytes)) {
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
 * Reads the evidence that confidential-containers' attester for Azure SNP vTPMs sends to Trustee: versions 1 and 2, and the
 * form before them. It has no chain: add ASK and ARK (from AMD's KDS, or your own copy) before verifying.
 *
 * A version 2 has the nonce in the report's user data as well. The evidence says so (`userDataRequired`), and it verifies
 * only when `userData` is given besides `nonce`: taken for a version 1 it would prove less.
 *
 * @throws {AttestationError} 8 for neither text nor bytes, 21 for no text, 20 for anything malformed.
 */
export function importTrusteeEvidence(json: string | Uint8Array): Evidence {
  const members = new JsonMembers(parseEvidenceJson(json));
  const evidence = members.has('version') ? readNumberedVersion(members) : readVersion0(members);
  members.finish();
  return stringifiable(evidence);
}

/**
 * Writes evidence as trustee's attesters for Azure's vTPMs (SEV-SNP and TDX) do, version 2: its quote covers PCRs 0 to 23, and the
 * qualifying data is in the report's user data too. Chain, event log and keys have no place in it.
 *
 * @throws {AttestationError} 8 for evidence without a quote over all 24 PCRs, or without a VCEK or TD quote.
 */
export function exportTrusteeEvidence(evidence: Evidence): string {
  return readArguments('exportTrusteeEvidence', () => trusteeEvidence(evidence));
}

function trusteeEvidence(evidence: Evidence): string {
  const { quote, tdQuote } = evidence;
  if (quote === undefined) throw unsuitable('a quote is needed');
  const pcrs = Array.from({ length: PCRS }, (_, index) => {
    const value = quote.pcrs.values[index];
    if (value === undefined) throw unsuitable('the quote must cover PCRs 0 to 23');
    return hex(value);
  });
  return JSON.stringify({
    version: 2,
    tpm_quote: { signature: hex(quote.signature), message: hex(quote.message), pcrs },
    hcl_report: padded(evidence.hclReport),
    ...(tdQuote === undefined ? { vcek: padded(vcekOf(evidence)) } : { td_quote: padded(tdQuote) }),
  });
}

/** Base64url as trustee writes it: padded. */
function padded(bytes: Uint8Array): string {
  const text = encodeBase64url(bytes);
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

function vcekOf({ certificates }: Evidence): Uint8Array {
  if (certificates === undefined) throw unsuitable('a quote and a VCEK are needed');
  const { vcek } = certificates;
  if (typeof vcek !== 'string') return vcek;
  try {
    return splitPem(vcek, 'CERTIFICATE')[0] as Uint8Array;
  } catch {
    throw unsuitable('the VCEK cannot be read');
  }
}

function readNumberedVersion(members: JsonMembers): Evidence {
  const version = members.take('version');
  if (version !== 1 && version !== 2) throw members.refused('version', '1 or 2');
  const quote = members.object('tpm_quote');
  const signature = quote.hex('signature');
  const message = quote.hex('message');
  const pcrs = pcrList(quote).map((value) => {
    const bytes = typeof value === 'string' ? bytesFromHex(value) : undefined;
    if (bytes === undefined) throw quote.refused('pcrs', 'hex digits');
    return bytes;
  });
  quote.finish();
  const evidence: Evidence = {
    version: 1,
    hclReport: paddedBase64url(members, 'hcl_report'),
    quote: quoteOf(message, signature, pcrs),
    // The profile for TDX (az-tdx-vtpm) has the hardware's quote in place of a certificate.
    ...(members.has('td_quote')
      ? { tdQuote: paddedBase64url(members, 'td_quote') }
      : { certificates: { vcek: paddedBase64url(members, 'vcek') } }),
  };
  if (version === 2) evidence.userDataRequired = true;
  return evidence;
}

function readVersion0(members: JsonMembers): Evidence {
  const quote = members.object('quote');
  const signature = byteArray(quote, 'signature', quote.take('signature'));
  const message = byteArray(quote, 'message', quote.take('message'));
  const pcrs = pcrList(quote).map((value) => byteArray(quote, 'pcrs', value));
  quote.finish();
  return {
    version: 1,
    hclReport: byteArray(members, 'report', members.take('report')),
    quote: quoteOf(message, signature, pcrs),
    certificates: { vcek: members.text('vcek') },
  };
}

function pcrList(quote: JsonMembers): unknown[] {
  const values = quote.array('pcrs');
  if (values.length > PCRS) throw quote.refused('pcrs', 'at most 24 values');
  return values;
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
  if (bytes === undefined) throw members.refused(name, 'base64url');
  return bytes;
}

function byteArray(members: JsonMembers, name: string, value: unknown): Uint8Array {
  const isByte = (item: unknown): boolean => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= 255;
  if (!Array.isArray(value) || !value.every(isByte)) throw members.refused(name, 'an array of bytes');
  return Uint8Array.from(value as number[]);
}

function refused(message: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, message);
}

function unsuitable(why: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `not evidence for trustee: ${why}`);
}
