import type { Evidence } from '../abi/evidence.js';
import { parseHclReport } from '../abi/hcl-report.js';
import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { anyText, bytes, oneOf } from '../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable, readArguments, required } from '../base/options.js';
import type { InitTimeData } from './sev-snp-evidence.js';
import { type AttestedData, isBoundBy, notAttestable } from './sev-snp-request.js';

/**
 * Body of `POST /attest/TdxVm`.
 *
 * Source: Attestation - Attest Tdx Vm, REST API 2025-06-01, `AttestTdxVmRequest`.
 */
export interface AttestTdxVmRequest {
  /** Base64url of the TD quote. */
  quote: string;
  /** Its SHA-256 is the head of the quote's REPORTDATA. */
  runtimeData?: AttestedData;
  initTimeData?: AttestedData;
  /** Comes back as claim `nonce`. */
  nonce?: string;
}

/** What a request carries besides the evidence. */
export interface TdxVmRequestOptions {
  nonce?: string;
  initTimeData?: InitTimeData;
}

const OPTIONS: OptionTable<TdxVmRequestOptions> = {
  nonce: anyText,
  initTimeData: nested<InitTimeData>({ data: required(bytes()), dataType: oneOf('Binary', 'JSON') }),
};

/** Intel TDX DCAP quoting library, quote header: version, then the offset of REPORTDATA in the quote of each. */
const REPORT_DATA_OFFSET: Readonly<Record<number, number>> = { 4: 48 + 520, 5: 54 + 520 };
const REPORT_DATA_BYTES = 64;

/**
 * Makes the request that shows the evidence of a TDX guest to the attestation service: the TD quote, and exactly the runtime
 * data that it binds.
 *
 * @throws {AttestationError} 9 when the quote does not bind the runtime data or the report is not a TDX guest's, 30 when
 *   there is no TD quote, 20 or 21 when the HCL report cannot be read.
 */
export function buildTdxVmRequest(evidence: Evidence, options?: TdxVmRequestOptions): AttestTdxVmRequest {
  if (typeof evidence !== 'object' || evidence === null) throw invalid('the evidence must be an object');
  const checked = checkOptions('buildTdxVmRequest', options, OPTIONS);
  return readArguments('buildTdxVmRequest', () => tdxVmRequest(evidence, checked));
}

function tdxVmRequest(evidence: Evidence, { nonce, initTimeData }: TdxVmRequestOptions): AttestTdxVmRequest {
  const { reportType, variableData } = parseHclReport(evidence.hclReport);
  if (reportType !== 'tdx') throw notAttestable(`the hardware report is of type ${reportType}, not tdx`);
  const { tdQuote } = evidence;
  if (tdQuote === undefined || tdQuote.length === 0) {
    throw new AttestationError(ErrorCode.EMPTY_TD_QUOTE, 'the evidence holds no TD quote');
  }
  const request: AttestTdxVmRequest = {
    quote: encodeBase64url(tdQuote),
    runtimeData: { data: encodeBase64url(variableData), dataType: 'JSON' },
  };
  if (initTimeData !== undefined) {
    const { data, dataType = 'Binary' } = initTimeData;
    request.initTimeData = { data: encodeBase64url(data), dataType };
  }
  if (nonce !== undefined) request.nonce = nonce;
  checkTdxBinding(request);
  return request;
}

/**
 * Compares the hash of the runtime data with what the quote says, where the request holds a quote that can be read;
 * anything else is the service's to refuse. Throws AttestationError 9.
 */
export function checkTdxBinding({ quote, runtimeData }: AttestTdxVmRequest): void {
  const bytes = decodeBase64url(quote);
  const offset = REPORT_DATA_OFFSET[bytes?.[0] ?? 0];
  if (bytes === undefined || offset === undefined || runtimeData === undefined || runtimeData.data === '') return;
  const reportData = bytes.subarray(offset, offset + REPORT_DATA_BYTES);
  if (reportData.length === REPORT_DATA_BYTES && !isBoundBy(runtimeData, reportData)) {
    throw notAttestable('the runtime data does not hash to the quote’s REPORTDATA');
  }
}
