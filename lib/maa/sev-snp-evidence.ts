import { X509Certificate } from 'node:crypto';
import { types } from 'node:util';
import { parseHclReport } from '../abi/hcl-report.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Evidence, EvidenceCertificates } from '../verify/types.js';
import { type AttestSevSnpVmRequest, checkBinding, type DataType, notAttestable } from './sev-snp-request.js';

/** What a request carries besides the evidence. */
export interface SevSnpVmRequestOptions {
  nonce?: string;
  /** What the report's host_data is the SHA-256 of; `Binary` unless said otherwise. */
  initTimeData?: { data: Uint8Array; dataType?: DataType };
  draftPolicyForAttestation?: string;
}

/**
 * Makes the request that shows `evidence` to the attestation service: the SNP report with its certificate chain, and
 * exactly the runtime data that the report binds. Needs the native addon.
 *
 * @throws {AttestationError} 9 when the report does not bind the runtime or init-time data or is not an SNP report, 17
 *   when there is no VCEK certificate, 20 or 21 when the HCL report cannot be read.
 */
export function buildSevSnpVmRequest(evidence: Evidence, options: SevSnpVmRequestOptions = {}): AttestSevSnpVmRequest {
  if (typeof evidence !== 'object' || evidence === null) throw invalid('the evidence must be an object');
  checkOptions(options);
  const { reportType, hardwareReport, variableData } = parseHclReport(evidence.hclReport);
  if (reportType !== 'snp') throw notAttestable(`the hardware report is of type ${reportType}, not snp`);
  const proof = {
    SnpReport: base64url(hardwareReport),
    VcekCertChain: base64url(certificateChain(evidence.certificates)),
  };
  const request: AttestSevSnpVmRequest = {
    report: base64url(JSON.stringify(proof)),
    runtimeData: { data: base64url(variableData), dataType: 'JSON' },
  };
  const { initTimeData, nonce, draftPolicyForAttestation } = options;
  if (initTimeData !== undefined) {
    request.initTimeData = { data: base64url(initTimeData.data), dataType: initTimeData.dataType ?? 'Binary' };
  }
  if (nonce !== undefined) request.nonce = nonce;
  if (draftPolicyForAttestation !== undefined) request.draftPolicyForAttestation = draftPolicyForAttestation;
  checkBinding(request);
  return request;
}

function checkOptions(options: SevSnpVmRequestOptions): void {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
  for (const name of ['nonce', 'draftPolicyForAttestation'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'string') throw invalid(`${name} must be a string`);
  }
  const { initTimeData } = options;
  if (initTimeData === undefined) return;
  // A text would be taken for UTF-8, though callers who pass one mean the base64url of the REST document.
  if (!types.isUint8Array(initTimeData?.data)) throw invalid('initTimeData.data must be a Uint8Array, not encoded');
  const { dataType } = initTimeData;
  if (dataType !== undefined && dataType !== 'Binary' && dataType !== 'JSON') {
    throw invalid('initTimeData.dataType must be Binary or JSON');
  }
}

/** VCEK, ASK and ARK in PEM, in this order. */
function certificateChain(certificates: EvidenceCertificates | undefined): string {
  if (certificates === undefined || certificates.vcek.length === 0) {
    throw new AttestationError(ErrorCode.EMPTY_VCEK_CERT, 'the evidence holds no VCEK certificate');
  }
  const [vcek, ...others] = parseCertificates(certificates.vcek);
  for (const part of typeof certificates.chain === 'string' ? [certificates.chain] : (certificates.chain ?? [])) {
    others.push(...parseCertificates(part));
  }
  const isRoot = (certificate: X509Certificate): boolean => certificate.subject === certificate.issuer;
  const intermediates = others.filter((certificate) => !isRoot(certificate));
  return [vcek, ...intermediates, ...others.filter(isRoot)].map(String).join('');
}

function parseCertificates(bytes: Uint8Array | string): X509Certificate[] {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  try {
    return (pems ?? [bytes]).map((one) => new X509Certificate(one));
  } catch (cause) {
    throw notAttestable('a certificate of the evidence cannot be read', cause);
  }
}

function base64url(data: Uint8Array | string): string {
  return Buffer.from(data as Uint8Array).toString('base64url');
}

function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
}
