import { decodeBase64url } from '../base/base64url.js';
import { equalBytes, utf8Text } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { sha2 } from '../base/sha2.js';
import { isJsonObject } from '../base/strict-json.js';

/** How the service reads data: as bytes only, or as JSON whose members it repeats in the token. */
export type DataType = 'Binary' | 'JSON';

/** Data that the report binds: `data` in base64url. */
export interface AttestedData {
  data: string;
  dataType?: DataType;
}

/**
 * Body of `POST /attest/SevSnpVm`.
 *
 * Source: Attestation - Attest Sev Snp Vm, REST API 2022-08-01, `AttestSevSnpVmRequest`.
 */
export interface AttestSevSnpVmRequest {
  /** Base64url of a JSON object with `SnpReport` and `VcekCertChain`, both base64url. */
  report: string;
  /** Its SHA-256 is the head of the report's report_data. */
  runtimeData?: AttestedData;
  /** Its SHA-256 is the report's host_data. */
  initTimeData?: AttestedData;
  /** Comes back as claim `nonce`. */
  nonce?: string;
  /** Evaluated in place of the configured policy; the token that comes back is unsigned, and no verifier takes it. */
  draftPolicyForAttestation?: string;
}

const SNP_REPORT_BYTES = 1184;
/** SNP ABI, table ATTESTATION_REPORT. */
const REPORT_DATA = { offset: 0x50, size: 64 };
const HOST_DATA = { offset: 0xc0, size: 32 };
/** Largest `report` that is decoded before it is sent: certificates included, about 10 KB are usual. */
const MAX_REPORT_LENGTH = 1024 * 1024;

/**
 * Compares the hashes of runtime and init-time data with what the report says, where the request holds a report that can
 * be read; anything else is the service's to refuse. Throws AttestationError 9.
 */
export function checkBinding(request: AttestSevSnpVmRequest): void {
  const report = snpReportIn(request.report);
  if (report === undefined) return;
  const { runtimeData, initTimeData } = request;
  // The service takes empty data for none.
  if (runtimeData !== undefined && runtimeData.data !== '') {
    if (!isBoundBy(runtimeData, report.subarray(REPORT_DATA.offset, REPORT_DATA.offset + REPORT_DATA.size))) {
      throw notAttestable('the runtime data does not hash to the report’s report_data');
    }
  }
  if (initTimeData !== undefined && initTimeData.data !== '') {
    if (!isBoundBy(initTimeData, report.subarray(HOST_DATA.offset, HOST_DATA.offset + HOST_DATA.size))) {
      throw notAttestable('the init-time data does not hash to the report’s host_data');
    }
  }
}

/** Whether a field of a report is the SHA-256 of the data, followed by zeros. Data that cannot be decoded is not. */
export function isBoundBy({ data }: AttestedData, field: Uint8Array): boolean {
  const bytes = typeof data === 'string' ? decodeBase64url(data) : undefined;
  if (bytes === undefined) return false;
  const expected = new Uint8Array(field.length);
  expected.set(sha2('SHA-256', bytes));
  return equalBytes(expected, field);
}

function snpReportIn(report: string): Uint8Array | undefined {
  if (report.length > MAX_REPORT_LENGTH) return undefined;
  try {
    const proof: unknown = JSON.parse(utf8Text(decodeBase64url(report) ?? new Uint8Array()) ?? '');
    if (!isJsonObject(proof) || typeof proof.SnpReport !== 'string') return undefined;
    const bytes = decodeBase64url(proof.SnpReport);
    return bytes?.length === SNP_REPORT_BYTES ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Evidence that the service would refuse, or must not be shown. */
export function notAttestable(message: string, cause?: unknown): AttestationError {
  const details = cause === undefined ? {} : { cause };
  return new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message, details);
}
