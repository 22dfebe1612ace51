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
const MAXIMUM_PCK_TYPE = 5;

/** Reads the whole of `data`: certification data 6 around a QE report, in it what certifies the PCK. */
export function readSignatureData(data: Uint8Array): TdQuoteSignatureData {
  const reader = new FieldReader(data, STRUCTURE);
  const signature = reader.bytes(64);
  const attestationKey = reader.bytes(64);
  const outerType = reader.number(2);
  // 5 without a QE report is SGX's (quote version 3).
  if (outerType !== QE_REPORT_CERTIFICATION) {
    throw malformed(STRUCTURE, `certification data of type ${outerType} instead of 6`);
  }
  const inner = new FieldReader(reader.sized(4), STRUCTURE);
  reader.end();
  const qeReport = readQeReport(inner.bytes(384));
  const qeReportSignature = inner.bytes(64);
  const qeAuthenticationData = inner.sized(2);
  const type = inner.number(2);
  if (type < 1 || type > MAXIMUM_PCK_TYPE) throw malformed(STRUCTURE, `PCK certification data of type ${type}`);
  const pckCertification = { type, data: inner.sized(4) };
  inner.end();
  return { signature, attestationKey, qeReport, qeReportSignature, qeAuthenticationData, pckCertification };
}

function readQeReport(raw: Uint8Array): QeReport {
  const report = new FieldReader(raw, STRUCTURE);
  return {
    cpusvn: report.bytes(16),
    miscselect: report.number(4),
    attributes: report.at(48).bytes(16),
    mrenclave: report.bytes(32),
    mrsigner: report.at(128).bytes(32),
    isvprodid: report.at(256).number(2),
    isvsvn: report.number(2),
    reportData: report.at(320).bytes(64),
    raw,
  };
}
