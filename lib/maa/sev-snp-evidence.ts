import type { Evidence, EvidenceCertificates } from '../abi/evidence.js';
import { parseHclReport } from '../abi/hcl-report.js';
import { encodePem } from '../abi/pem.js';
import { type Certificate, parseCertificates } from '../abi/x509.js';
import { encodeBase64url } from '../base/base64url.js';
import { equalBytes, utf8Bytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { anyText, bytes, oneOf } from '../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable, readArguments, required } from '../base/options.js';
import { type AttestSevSnpVmRequest, checkBinding, type DataType, notAttestable } from './sev-snp-request.js';

/** Data, not encoded; `Binary` unless said otherwise. */
export interface InitTimeData {
  data: Uint8Array;
  dataType?: DataType;
}

/** What a request carries besides the evidence. */
export interface SevSnpVmRequestOptions {
  nonce?: string;
  /** What the report's host_data is the SHA-256 of. */
  initTimeData?: InitTimeData;
  draftPolicyForAttestation?: string;
}

/**
 * Makes the request that shows `evidence` to the attestation service: the SNP report with its certificate chain, and
 * exactly the runtime data that the report binds.
 *
 * @throws {AttestationError} 9 when the report does not bind the runtime or init-time data or is not an SNP report, 17
 *   when there is no VCEK certificate, 20 or 21 when the HCL report cannot be read.
 */
export function buildSevSnpVmRequest(evidence: Evidence, options?: SevSnpVmRequestOptions): AttestSevSnpVmRequest {
  if (typeof evidence !== 'object' || evidence === null) throw invalid('the evidence must be an object');
  const checked = checkOptions('buildSevSnpVmRequest', options, OPTIONS);
  return readArguments('buildSevSnpVmRequest', () => sevSnpVmRequest(evidence, checked));
}

function sevSnpVmRequest(evidence: Evidence, checked: SevSnpVmRequestOptions): AttestSevSnpVmRequest {
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
  const { initTimeData, nonce, draftPolicyForAttestation } = checked;
  if (initTimeData !== undefined) {
    request.initTimeData = { data: base64url(initTimeData.data), dataType: initTimeData.dataType ?? 'Binary' };
  }
  if (nonce !== undefined) request.nonce = nonce;
  if (draftPolicyForAttestation !== undefined) request.draftPolicyForAttestation = draftPolicyForAttestation;
  checkBinding(request);
  return request;
}

const OPTIONS: OptionTable<SevSnpVmRequestOptions> = {
  nonce: anyText,
  // A text would be taken for UTF-8, though callers who pass one mean the base64url of the REST document.
  initTimeData: nested<InitTimeData>({ data: required(bytes()), dataType: oneOf('Binary', 'JSON') }),
  draftPolicyForAttestation: anyText,
};

/** VCEK, ASK and ARK in PEM, in this order. */
function certificateChain(certificates: EvidenceCertificates | undefined): string {
  if (certificates === undefined || certificates.vcek.length === 0) {
    throw new AttestationError(ErrorCode.EMPTY_VCEK_CERT, 'the evidence holds no VCEK certificate');
  }
  const [vcek, ...others] = readCertificates(certificates.vcek);
  for (const part of typeof certificates.chain === 'string' ? [certificates.chain] : (certificates.chain ?? [])) {
    others.push(...readCertificates(part));
  }
  const isRoot = ({ subject, issuer }: Certificate): boolean => equalBytes(subject.raw, issuer.raw);
  const intermediates = others.filter((certificate) => !isRoot(certificate));
  const ordered = [vcek as Certificate, ...intermediates, ...others.filter(isRoot)];
  return ordered.map(({ der }) => encodePem('CERTIFICATE', der)).join('');
}

function readCertificates(input: Uint8Array | string): Certificate[] {
  try {
    return parseCertificates(input);
  } catch (cause) {
    throw notAttestable('a certificate of the evidence cannot be read', cause);
  }
}

function base64url(data: Uint8Array | string): string {
  return encodeBase64url(typeof data === 'string' ? utf8Bytes(data) : data);
}
