import { createHash } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';
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
    const reportData = report.subarray(REPORT_DATA.offset, REPORT_DATA.offset + REPORT_DATA.size);
    const expected = Buffer.alloc(REPORT_DATA.size);
    sha256(runtimeData).copy(expected);
    if (!reportData.equals(expected)) throw notAttestable('the runtime data does not hash to the report’s report_data');
  }
  if (initTimeData !== undefined && initTimeData.data !== '') {
    const hostData = report.subarray(HOST_DATA.offset, HOST_DATA.offset + HOST_DATA.size);
    if (!hostData.equals(sha256(initTimeData))) {
      throw notAttestable('the init-time data does not hash to the report’s host_data');
    }
  }
}

function sha256(data: AttestedData): Buffer {
  return createHash('sha256').update(Buffer.from(data.data, 'base64url')).digest();
}

function snpReportIn(report: string): Buffer | undefined {
  if (report.length > MAX_REPORT_LENGTH) return undefined;
  try {
    const proof: unknown = JSON.parse(Buffer.from(report, 'base64url').toString('utf8'));
    if (!isJsonObject(proof) || typeof proof.SnpReport !== 'string') return undefined;
    const bytes = Buffer.from(proof.SnpReport, 'base64url');
    return bytes.length === SNP_REPORT_BYTES ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Evidence that the service would refuse, or must not be shown. */
export function notAttestable(message: string, cause?: unknown): AttestationError {
  const details = cause === undefined ? {} : { cause };
  return new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message, details);
}
