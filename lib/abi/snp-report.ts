import { isZero, viewOf } from '../base/bytes.js';
import { readArguments } from '../base/options.js';
import { emptyInput, malformed, plainBytes } from './input.js';
import type { GuestPolicy, PlatformInfo, SnpReport } from './snp-report-fields.js';
import { isTcbReservedZero, type Product, readTcb, TCB_SIZE, type TcbLayout, tcbLayoutOf } from './tcb.js';

const SNP_REPORT_SIZE = 1184;
/** Length of the part that the signature covers. */
export const SNP_SIGNED_SIZE = 0x2a0;
/** Where R begins, and the length of R and of S: 48 bytes, little-endian, and 24 zeros. */
export const SNP_SIGNATURE = { offset: 0x2a0, componentSize: 72, significant: 48 } as const;

// ATTESTATION_REPORT, offsets.
const CURRENT_TCB = 0x038;
const PLATFORM_INFO = 0x040;
const KEY_INFO = 0x048;
const RESERVED0 = 0x04c;
const REPORT_DATA = 0x050;
const REPORTED_TCB = 0x180;
const CPUID = 0x188;
const CHIP_ID = 0x1a0;
const COMMITTED_TCB = 0x1e0;
const CURRENT_VERSION = 0x1e8;
const COMMITTED_VERSION = 0x1ec;
const LAUNCH_TCB = 0x1f0;
const LAUNCH_MIT_VECTOR = 0x1f8;
const CURRENT_MIT_VECTOR = 0x200;
const RESERVED5 = 0x208;

// Bits that have a meaning; bit 17 of POLICY is always one.
const KNOWN_POLICY = 0x0000_0000_03ff_ffffn;
const KNOWN_PLATFORM_INFO = 0b0011_1111n;
const TIO_EN = 1n << 7n;

/**
 * Decodes an SEV-SNP attestation report of exactly 1184 bytes, versions 1 to 5 (later ones are read like 5). Nothing is
 * verified. Unknown bits are handed out, not refused.
 *
 * `product` says how to read the TCB fields of a report before version 3, which does not tell: without it, a chip id of
 * 8 bytes followed by zeros means Turin, anything else Milan or Genoa.
 *
 * Source: SEV Secure Nested Paging Firmware ABI Specification, "ATTESTATION_REPORT".
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes, `HCL_REPORT_PARSING_FAILURE` (20) for a wrong size,
 * 8 for an unknown product.
 */
export function parseSnpReport(bytes: Uint8Array, options: { product?: Product } = {}): SnpReport {
  const raw = plainBytes(bytes);
  const stated = tcbLayoutOf(readArguments('parseSnpReport', () => options.product));
  if (raw.length === 0) throw emptyInput('the SNP report');
  if (raw.length !== SNP_REPORT_SIZE) throw malformed('SNP report', `it is ${raw.length} bytes long, not 1184`);
  const view = viewOf(raw);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const byte = (offset: number): number => raw[offset] as number;
  const version = u32(0);
  if (version === 0) throw malformed('SNP report', 'version 0 does not exist');
  const keyInfo = u32(KEY_INFO);
  const layout = stated ?? layoutOf(raw, version);
  const report: SnpReport = {
    version,
    guestSvn: u32(4),
    policy: guestPolicy(view),
    familyId: raw.subarray(0x10, 0x20),
    imageId: raw.subarray(0x20, 0x30),
    vmpl: u32(0x30),
    signatureAlgo: u32(0x34),
    currentTcb: readTcb(raw, CURRENT_TCB, layout),
    platformInfo: platformInfo(view, version),
    authorKeyEn: (keyInfo & 1) === 1,
    maskChipKey: (keyInfo & 2) === 2,
    signingKey: (keyInfo >>> 2) & 7,
    reportData: raw.subarray(REPORT_DATA, 0x90),
    measurement: raw.subarray(0x90, 0xc0),
    hostData: raw.subarray(0xc0, 0xe0),
    idKeyDigest: raw.subarray(0xe0, 0x110),
    authorKeyDigest: raw.subarray(0x110, 0x140),
    reportId: raw.subarray(0x140, 0x160),
    reportIdMa: raw.subarray(0x160, 0x180),
    reportedTcb: readTcb(raw, REPORTED_TCB, layout),
    chipId: raw.subarray(CHIP_ID, 0x1e0),
    committedTcb: readTcb(raw, COMMITTED_TCB, layout),
    signature: { r: raw.slice(0x2a0, 0x2d0).reverse(), s: raw.slice(0x2e8, 0x318).reverse() },
    tcbLayout: layout,
    unknownFields: unknownFields(raw, version, layout),
    raw,
  };
  if (version >= 2) {
    report.currentBuild = byte(CURRENT_VERSION);
    report.currentMinor = byte(CURRENT_VERSION + 1);
    report.currentMajor = byte(CURRENT_VERSION + 2);
    report.committedBuild = byte(COMMITTED_VERSION);
    report.committedMinor = byte(COMMITTED_VERSION + 1);
    report.committedMajor = byte(COMMITTED_VERSION + 2);
    report.launchTcb = readTcb(raw, LAUNCH_TCB, layout);
  }
  if (version >= 3) {
    report.cpuidFamId = byte(CPUID);
    report.cpuidModId = byte(CPUID + 1);
    report.cpuidStep = byte(CPUID + 2);
    const product = productOf(report.cpuidFamId, report.cpuidModId);
    if (product !== undefined) report.product = product;
  }
  if (version >= 5) {
    report.launchMitVector = view.getBigUint64(LAUNCH_MIT_VECTOR, true);
    report.currentMitVector = view.getBigUint64(CURRENT_MIT_VECTOR, true);
  }
  return report;
}

/** Product line of a processor by combined CPUID family and model. */
function productOf(family: number, model: number): Product | undefined {
  if (family === 0x19) {
    if (model <= 0x0f) return 'Milan';
    if (model <= 0x1f) return 'Genoa';
    if (model >= 0xa0 && model <= 0xaf) return 'Genoa'; // Bergamo and Siena share Genoa's keys
  }
  return family === 0x1a && model <= 0x11 ? 'Turin' : undefined;
}

function layoutOf(raw: Uint8Array, version: number): TcbLayout {
  if (version >= 3) return (raw[CPUID] as number) >= 0x1a ? 'Turin' : 'Milan';
  const shortChipId = isZero(raw, CHIP_ID + 8, 0x1e0) && !isZero(raw, CHIP_ID, CHIP_ID + 8);
  return shortChipId ? 'Turin' : 'Milan';
}

function guestPolicy(view: DataView): GuestPolicy {
  const raw = view.getBigUint64(8, true);
  const low = view.getUint32(8, true);
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  return {
    abiMajor: (low >>> 8) & 0xff,
    abiMinor: low & 0xff,
    smt: bit(16),
    migrateMa: bit(18),
    debug: bit(19),
    singleSocket: bit(20),
    cxlAllow: bit(21),
    memAes256Xts: bit(22),
    raplDis: bit(23),
    ciphertextHidingDram: bit(24),
    pageSwapDisable: bit(25),
    unknownBits: raw & ~KNOWN_POLICY,
    raw,
  };
}

function platformInfo(view: DataView, version: number): PlatformInfo {
  const raw = view.getBigUint64(PLATFORM_INFO, true);
  const low = view.getUint32(PLATFORM_INFO, true);
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  const hasTio = version >= 5;
  const info: PlatformInfo = {
    smtEn: bit(0),
    tsmeEn: bit(1),
    eccEn: bit(2),
    raplDis: bit(3),
    ciphertextHidingDramEn: bit(4),
    aliasCheckComplete: bit(5),
    unknownBits: raw & ~(hasTio ? KNOWN_PLATFORM_INFO | TIO_EN : KNOWN_PLATFORM_INFO),
    raw,
  };
  if (hasTio) info.tioEn = bit(7);
  return info;
}

function unknownFields(raw: Uint8Array, version: number, layout: TcbLayout): SnpReport['unknownFields'] {
  const fields: SnpReport['unknownFields'] = [];
  const note = (begin: number, end: number): void => {
    fields.push({ offset: begin, bytes: raw.subarray(begin, end) });
  };
  const reserved = (begin: number, end: number): void => {
    if (!isZero(raw, begin, end)) note(begin, end);
  };
  const tcb = (begin: number): void => {
    if (!isTcbReservedZero(raw, begin, layout)) note(begin, begin + TCB_SIZE);
  };
  tcb(CURRENT_TCB);
  reserved(RESERVED0, REPORT_DATA);
  tcb(REPORTED_TCB);
  reserved(version >= 3 ? CPUID + 3 : CPUID, CHIP_ID);
  tcb(COMMITTED_TCB);
  if (version < 2) {
    reserved(CURRENT_VERSION, SNP_SIGNED_SIZE);
    return fields;
  }
  reserved(CURRENT_VERSION + 3, COMMITTED_VERSION);
  reserved(COMMITTED_VERSION + 3, LAUNCH_TCB);
  tcb(LAUNCH_TCB);
  reserved(version < 5 ? LAUNCH_MIT_VECTOR : RESERVED5, SNP_SIGNED_SIZE);
  return fields;
}
