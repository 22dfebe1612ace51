import type { Check } from '../errors.js';

/** AMD product line, as in the names of its root keys and KDS URLs. */
export type Product = 'Milan' | 'Genoa' | 'Turin';

/** Security patch levels of a TCB_VERSION. Each is 0–255; `fmc` exists on Turin only. */
export interface Tcb {
  fmc?: number;
  bootloader: number;
  tee: number;
  snp: number;
  microcode: number;
}

/** A key of the runtime claims: RSA, `e` and `n` in base64url. */
export interface RuntimeClaimsKey {
  kid: string;
  kty: string;
  key_ops?: string[];
  e: string;
  n: string;
  [member: string]: unknown;
}

/** The JSON that the HCL hashes into the report's report_data. */
export interface RuntimeClaims {
  keys: RuntimeClaimsKey[];
  'vm-configuration'?: {
    'secure-boot'?: boolean;
    'tpm-enabled'?: boolean;
    'tpm-persisted'?: boolean;
    'console-enabled'?: boolean;
    'current-time'?: number;
    'root-cert-thumbprint'?: string;
    vmUniqueId?: string;
    [member: string]: unknown;
  };
  /** 128 hex digits: what the guest wrote to NV 0x01400002, zero-padded. */
  'user-data'?: string;
  [member: string]: unknown;
}

/** Hardware report type in an HCL report. */
export type HclReportType = 'invalid' | 'vbs' | 'snp' | 'tvm' | 'tdx';

/** The HCL attestation report of NV 0x01400001. All views point into the bytes given to the parser. */
export interface HclReport {
  /** Header version, 1 or 2. */
  headerVersion: number;
  reportSize: number;
  requestType: number;
  status: number;
  reportType: HclReportType;
  /** Hash that binds the variable data into the hardware report. */
  hashType: 'sha256' | 'sha384' | 'sha512';
  /** The hardware report alone: 1184 bytes for SNP, 1024 for TDX. */
  hardwareReport: Uint8Array;
  /** report_data of the hardware report, 64 bytes; absent for a type that has none. */
  reportData?: Uint8Array;
  /** Exactly the bytes that are hashed. */
  variableData: Uint8Array;
  /** `variableData` parsed; untrusted until the binding and the report's signature are verified. */
  claims: RuntimeClaims;
  /** Whether hash(variableData) is the head of report_data and the rest of it is zero. */
  bound: boolean;
}

/** Certificates that prove a report, DER or PEM; `chain` holds ASK (or ASVK) and ARK in any order. */
export interface EvidenceCertificates {
  vcek: Uint8Array | string;
  chain?: Uint8Array[] | string;
}

export interface EvidenceQuote {
  /** TPMS_ATTEST, without size prefix. */
  message: Uint8Array;
  /** Raw RSASSA-PKCS1-v1_5 SHA-256 signature, 256 bytes for the vTPM's AK. */
  signature: Uint8Array;
  pcrs: { alg: 'sha256'; values: Record<number, Uint8Array> };
}

/** Everything that a guest can show about itself. Bytes are Uint8Array in memory and base64url in JSON. */
export interface Evidence {
  version: 1;
  /** As read from NV 0x01400001, padding allowed. */
  hclReport: Uint8Array;
  quote?: EvidenceQuote;
  certificates?: EvidenceCertificates;
  /** As read from NV 0x01C101D0. */
  akCertificate?: Uint8Array;
  /** TCG event log as the firmware wrote it. */
  eventLog?: Uint8Array;
}

export type { Check };
