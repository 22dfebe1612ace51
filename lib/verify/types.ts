/** AMD product line, as in the names of its root keys and KDS URLs. */
export type Product = 'Milan' | 'Genoa' | 'Turin';

/** A root key that chains may end in: what `trustedRoots` takes besides certificates. */
export interface TrustedRoot {
  product: Product;
  /** SHA-256 of the DER SubjectPublicKeyInfo, hex. */
  publicKeySha256: string;
}

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
  /** Bitmap of the newer 24-byte runtime data header; absent in the 20-byte form. */
  capabilities?: number;
  /** What nothing signs and nothing explains, in sentences: reserved or padding bytes that are not zero. */
  warnings: string[];
}

/** POLICY of a guest (SEV-SNP Firmware ABI, "Guest Policy"). */
export interface GuestPolicy {
  /** Least firmware ABI version that the guest may run on. */
  abiMajor: number;
  abiMinor: number;
  /** SMT is allowed. */
  smt: boolean;
  /** Association with a migration agent is allowed. */
  migrateMa: boolean;
  /** The host may debug, that is read, the guest. */
  debug: boolean;
  /** The guest may run on one socket only. */
  singleSocket: boolean;
  /** CXL devices may be populated. */
  cxlAllow: boolean;
  /** AES-256-XTS memory encryption is required. */
  memAes256Xts: boolean;
  /** Running Average Power Limit must be disabled. */
  raplDis: boolean;
  /** DRAM ciphertext hiding must be enabled. */
  ciphertextHidingDram: boolean;
  /** Guest pages must not be swapped, moved or unlocked by the host. */
  pageSwapDisable: boolean;
  /** Bits without a meaning to this library, bit 17 (always one) left out. */
  unknownBits: bigint;
  /** All 64 bits. */
  raw: bigint;
}

/** PLATFORM_INFO of a report. */
export interface PlatformInfo {
  smtEn: boolean;
  tsmeEn: boolean;
  eccEn: boolean;
  raplDis: boolean;
  ciphertextHidingDramEn: boolean;
  /** Memory aliases were looked for at boot: the mitigation of BadRAM (CVE-2024-21944). */
  aliasCheckComplete: boolean;
  tioEn: boolean;
  /** Bits without a meaning to this library (bit 6 is set by genuine Turin firmware). */
  unknownBits: bigint;
  /** All 64 bits. */
  raw: bigint;
}

/** SIGNING_KEY of a report. */
export const SigningKey = Object.freeze({ VCEK: 0, VLEK: 1, NONE: 7 });

/**
 * ATTESTATION_REPORT, 1184 bytes, with the fields of the SEV-SNP Firmware ABI specification under their own names.
 * Byte fields are views into the bytes that were parsed.
 */
export interface SnpReport {
  version: number;
  guestSvn: number;
  policy: GuestPolicy;
  /** 16 bytes. */
  familyId: Uint8Array;
  /** 16 bytes. */
  imageId: Uint8Array;
  /** 0–3; 4294967295 when the host asked for the report. */
  vmpl: number;
  /** 1: ECDSA P-384 with SHA-384. */
  signatureAlgo: number;
  currentTcb: Tcb;
  platformInfo: PlatformInfo;
  /** The author key's digest is present. */
  authorKeyEn: boolean;
  /** The chip id is masked with zeros. */
  maskChipKey: boolean;
  /** See {@link SigningKey}. */
  signingKey: number;
  /** 64 bytes. */
  reportData: Uint8Array;
  /** 48 bytes: launch digest. */
  measurement: Uint8Array;
  /** 32 bytes. */
  hostData: Uint8Array;
  /** 48 bytes. */
  idKeyDigest: Uint8Array;
  /** 48 bytes. */
  authorKeyDigest: Uint8Array;
  /** 32 bytes. */
  reportId: Uint8Array;
  /** 32 bytes, all ones when there is no migration agent. */
  reportIdMa: Uint8Array;
  /** What the endorsement key was derived from. */
  reportedTcb: Tcb;
  /** Combined CPUID family; absent before report version 3, like `cpuidModId` and `cpuidStep`. */
  cpuidFamId?: number;
  cpuidModId?: number;
  cpuidStep?: number;
  /** 64 bytes; on Turin 8 bytes and zeros; zero when masked. */
  chipId: Uint8Array;
  committedTcb: Tcb;
  /** Firmware version now; absent before report version 2, like the committed one and `launchTcb`. */
  currentBuild?: number;
  currentMinor?: number;
  currentMajor?: number;
  committedBuild?: number;
  committedMinor?: number;
  committedMajor?: number;
  launchTcb?: Tcb;
  /** Absent before report version 5. */
  launchMitVector?: bigint;
  currentMitVector?: bigint;
  /** ECDSA P-384, each 48 bytes big-endian. */
  signature: { r: Uint8Array; s: Uint8Array };
  /** By CPUID; absent before report version 3 and for a processor whose product line is not known. */
  product?: Product;
  /** Order of the bytes in the TCB fields. */
  tcbLayout: 'Milan' | 'Turin';
  /** Reserved areas of the signed part that are not zero: a newer firmware's fields. */
  unknownFields: { offset: number; bytes: Uint8Array }[];
  /** The 1184 bytes themselves. */
  raw: Uint8Array;
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

/** The TPM's ephemeral key with the attestation key's word for it: what a relying party can encrypt to. */
export interface EvidenceEphemeralKey {
  /** TPM2B_PUBLIC, with its 2-byte size. */
  publicArea: Uint8Array;
  /** TPMS_ATTEST of the TPM2_Certify, no size prefix. */
  certifyInfo: Uint8Array;
  /** Raw RSASSA-PKCS1-v1_5 SHA-256 signature over `certifyInfo`. */
  certifySignature: Uint8Array;
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
  ephemeralKey?: EvidenceEphemeralKey;
}
