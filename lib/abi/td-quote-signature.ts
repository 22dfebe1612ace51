import { malformed } from './input.js';
import { FieldReader } from './td-fields.js';

/** Report body of the quoting enclave, 384 bytes (Intel SDM volume 3D, REPORT). */
export interface QeReport {
  /** 16 bytes. */
  readonly cpusvn: Uint8Array;
  readonly miscselect: number;
  /** 16 bytes, little-endian: bit 1 DEBUG. */
  readonly attributes: Uint8Array;
  /** 32 bytes. */
  readonly mrenclave: Uint8Array;
  /** 32 bytes. */
  readonly mrsigner: Uint8Array;
  readonly isvprodid: number;
  readonly isvsvn: number;
  /** 64 bytes: SHA-256 of attestation key and authentication data, then zeros. */
  readonly reportData: Uint8Array;
  /** The 384 bytes. */
  readonly raw: Uint8Array;
}

/** What certifies the platform's key, by its type (Intel DCAP, `sgx_quote_4.h`). */
export interface PckCertificationData {
  /** 1 to 3: PPID and where the certificate is to be had; 4: the PCK certificate; 5: its chain in PEM. */
  readonly type: number;
  readonly data: Uint8Array;
}

/** The signature data behind header and body of a TD quote. */
export interface TdQuoteSignatureData {
  /** 64 bytes, r ‖ s of ECDSA P-256: by the attestation key, over header and body. */
  readonly signature: Uint8Array;
  /** 64 bytes, x ‖ y of a point on P-256. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: QeReport;
  /** 64 bytes, r ‖ s: by the platform's PCK key, over the QE report. */
  readonly qeReportSignature: Uint8Array;
  /** 0 to 65535 bytes of the quoting enclave's choice, bound with the attestation key. */
  readonly qeAuthenticationData: Uint8Array;
  readonly pckCertification: PckCertificationData;
}

const STRUCTURE = 'TD quote';
const QE_REPORT_CERTIFICATION = 6;
/** Signature, attestation key, type and size. */
const FIXED_SIZE = 64 + 64 + 2 + 4;
const QE_REPORT_SIZE = 384;
const MAXIMUM_PCK_TYPE = 5;

/** Reads the whole of `data`: certification data 6 around a QE report, in it what certifies the PCK. */
export function readSignatureData(data: Uint8Array): TdQuoteSignatureData {
  const fixed = head(data, FIXED_SIZE);
  const type = fixed.u16(128);
  // 5 without a QE report is SGX's (quote version 3).
  if (type !== QE_REPORT_CERTIFICATION) throw malformed(STRUCTURE, `certification data of type ${type} instead of 6`);
  const certification = data.subarray(FIXED_SIZE);
  if (fixed.u32(130) !== certification.length) throw malformed(STRUCTURE, 'a size of certification data');
  return { signature: fixed.bytes(0, 64), attestationKey: fixed.bytes(64, 64), ...readQeCertification(certification) };
}

function readQeCertification(data: Uint8Array) {
  const fixed = head(data, QE_REPORT_SIZE + 64 + 2);
  const authenticationSize = fixed.u16(QE_REPORT_SIZE + 64);
  const rest = data.subarray(QE_REPORT_SIZE + 66);
  if (authenticationSize > rest.length) throw malformed(STRUCTURE, 'QE authentication data beyond the end');
  const inner = rest.subarray(authenticationSize);
  const certification = head(inner, 6);
  const type = certification.u16(0);
  if (type < 1 || type > MAXIMUM_PCK_TYPE) throw malformed(STRUCTURE, `PCK certification data of type ${type}`);
  if (certification.u32(2) !== inner.length - 6) throw malformed(STRUCTURE, 'a size of PCK certification data');
  return {
    qeReport: readQeReport(fixed.bytes(0, QE_REPORT_SIZE)),
    qeReportSignature: fixed.bytes(QE_REPORT_SIZE, 64),
    qeAuthenticationData: rest.subarray(0, authenticationSize),
    pckCertification: { type, data: inner.subarray(6) },
  };
}

function readQeReport(raw: Uint8Array): QeReport {
  const report = new FieldReader(raw, 'QE report', QE_REPORT_SIZE);
  return {
    cpusvn: report.bytes(0, 16),
    miscselect: report.u32(16),
    attributes: report.bytes(48, 16),
    mrenclave: report.bytes(64, 32),
    mrsigner: report.bytes(128, 32),
    isvprodid: report.u16(256),
    isvsvn: report.u16(258),
    reportData: report.bytes(320, 64),
    raw,
  };
}

function head(data: Uint8Array, size: number): FieldReader {
  if (data.length < size) throw malformed(STRUCTURE, 'truncated');
  return new FieldReader(data.subarray(0, size), STRUCTURE, size);
}
