import type { Product, Tcb, TcbLayout } from './tcb.js';

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
  /** SEV-TIO is enabled; absent before report version 5, which defines the bit. */
  tioEn?: boolean;
  /** Bits without a meaning to this library (bit 6 is set by genuine Turin firmware). */
  unknownBits: bigint;
  /** All 64 bits. */
  raw: bigint;
}

export const VCEK = 0;
export const VLEK = 1;

/** SIGNING_KEY of a report. */
export const SigningKey = /* @__PURE__ */ Object.freeze({ VCEK, VLEK, NONE: 7 });

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
  tcbLayout: TcbLayout;
  /** Reserved areas of the signed part that are not zero: a newer firmware's fields. */
  unknownFields: { offset: number; bytes: Uint8Array }[];
  /** The 1184 bytes themselves. */
  raw: Uint8Array;
}
