import { AttestationError, ErrorCode } from '../base/errors.js';
import { native } from '../native.js';
import { parsing, plainBytes } from './native-parse.js';
import type { GuestPolicy, PlatformInfo, Product, SnpReport, Tcb } from './types.js';

// Where the native parser puts each field. It fills one reused array, because making an object of fifty properties
// through Node-API takes several times as long as parsing.
const WORDS = 57;
const WORD = {
  version: 0,
  guestSvn: 1,
  policy: 2,
  vmpl: 4,
  signatureAlgo: 5,
  platformInfo: 6,
  keyInfo: 8,
  product: 9,
  tcbLayout: 10,
  cpuid: 11,
  currentTcb: 14,
  reportedTcb: 19,
  committedTcb: 24,
  launchTcb: 29,
  current: 34,
  committed: 37,
  launchMitVector: 40,
  currentMitVector: 42,
  unknown: 44,
} as const;

const NO_FMC = 0xffffffff;
const PRODUCTS: readonly (Product | undefined)[] = [undefined, 'Milan', 'Genoa', 'Turin'];
const words = new Uint32Array(WORDS);

const word = (index: number): number => words[index] as number;
const word64 = (index: number): bigint => (BigInt(word(index + 1)) << 32n) | BigInt(word(index));

function tcbAt(index: number): Tcb {
  const tcb: Tcb = {
    bootloader: word(index + 1),
    tee: word(index + 2),
    snp: word(index + 3),
    microcode: word(index + 4),
  };
  if (word(index) !== NO_FMC) tcb.fmc = word(index);
  return tcb;
}

function guestPolicy(): GuestPolicy {
  const low = word(WORD.policy);
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  const unknownLow = low & 0xfc000000;
  const high = word(WORD.policy + 1);
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
    unknownBits: (BigInt(high) << 32n) | BigInt(unknownLow >>> 0),
    raw: word64(WORD.policy),
  };
}

function platformInfo(): PlatformInfo {
  const low = word(WORD.platformInfo);
  const bit = (index: number): boolean => ((low >>> index) & 1) === 1;
  const unknownLow = low & ~0b1011_1111;
  return {
    smtEn: bit(0),
    tsmeEn: bit(1),
    eccEn: bit(2),
    raplDis: bit(3),
    ciphertextHidingDramEn: bit(4),
    aliasCheckComplete: bit(5),
    tioEn: bit(7),
    unknownBits: (BigInt(word(WORD.platformInfo + 1)) << 32n) | BigInt(unknownLow >>> 0),
    raw: word64(WORD.platformInfo),
  };
}

function unknownFields(raw: Uint8Array): SnpReport['unknownFields'] {
  const fields: SnpReport['unknownFields'] = [];
  for (let i = 0; i < word(WORD.unknown); i++) {
    const packed = word(WORD.unknown + 1 + i);
    const offset = packed >>> 16;
    fields.push({ offset, bytes: raw.subarray(offset, offset + (packed & 0xffff)) });
  }
  return fields;
}

/**
 * Decodes an SEV-SNP attestation report of exactly 1184 bytes, versions 1 to 5 (later ones are read like 5). Nothing is
 * verified. Unknown bits are handed out, not refused.
 *
 * `product` says how to read the TCB fields of a report before version 3, which does not tell: without it, a chip id of
 * 8 bytes followed by zeros means Turin, anything else Milan or Genoa.
 *
 * Source: SEV Secure Nested Paging Firmware ABI Specification, "ATTESTATION_REPORT".
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes, `HCL_REPORT_PARSING_FAILURE` (20) for a wrong size.
 */
export function parseSnpReport(bytes: Uint8Array, options: { product?: Product } = {}): SnpReport {
  const raw = plainBytes(bytes);
  parsing(() => native().parseSnpReport(raw, words, layoutOf(options.product)));
  const version = word(WORD.version);
  const keyInfo = word(WORD.keyInfo);
  const product = PRODUCTS[word(WORD.product)];
  const report: SnpReport = {
    version,
    guestSvn: word(WORD.guestSvn),
    policy: guestPolicy(),
    familyId: raw.subarray(0x10, 0x20),
    imageId: raw.subarray(0x20, 0x30),
    vmpl: word(WORD.vmpl),
    signatureAlgo: word(WORD.signatureAlgo),
    currentTcb: tcbAt(WORD.currentTcb),
    platformInfo: platformInfo(),
    authorKeyEn: (keyInfo & 1) === 1,
    maskChipKey: (keyInfo & 2) === 2,
    signingKey: (keyInfo >>> 2) & 7,
    reportData: raw.subarray(0x50, 0x90),
    measurement: raw.subarray(0x90, 0xc0),
    hostData: raw.subarray(0xc0, 0xe0),
    idKeyDigest: raw.subarray(0xe0, 0x110),
    authorKeyDigest: raw.subarray(0x110, 0x140),
    reportId: raw.subarray(0x140, 0x160),
    reportIdMa: raw.subarray(0x160, 0x180),
    reportedTcb: tcbAt(WORD.reportedTcb),
    chipId: raw.subarray(0x1a0, 0x1e0),
    committedTcb: tcbAt(WORD.committedTcb),
    signature: { r: raw.slice(0x2a0, 0x2d0).reverse(), s: raw.slice(0x2e8, 0x318).reverse() },
    tcbLayout: word(WORD.tcbLayout) === 1 ? 'Turin' : 'Milan',
    unknownFields: unknownFields(raw),
    raw,
  };
  if (version >= 2) {
    report.currentBuild = word(WORD.current);
    report.currentMinor = word(WORD.current + 1);
    report.currentMajor = word(WORD.current + 2);
    report.committedBuild = word(WORD.committed);
    report.committedMinor = word(WORD.committed + 1);
    report.committedMajor = word(WORD.committed + 2);
    report.launchTcb = tcbAt(WORD.launchTcb);
  }
  if (version >= 3) {
    report.cpuidFamId = word(WORD.cpuid);
    report.cpuidModId = word(WORD.cpuid + 1);
    report.cpuidStep = word(WORD.cpuid + 2);
    if (product !== undefined) report.product = product;
  }
  if (version >= 5) {
    report.launchMitVector = word64(WORD.launchMitVector);
    report.currentMitVector = word64(WORD.currentMitVector);
  }
  return report;
}

/**
 * Decodes a TCB_VERSION of 8 bytes as `product` lays it out.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for another size, 8 for an unknown product.
 */
export function parseTcb(bytes: Uint8Array, product: Product): Tcb {
  const raw = plainBytes(bytes);
  if (raw.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the TCB_VERSION is empty');
  const layout = layoutOf(product);
  if (layout === undefined) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a product is needed');
  const [fmc, bootloader, tee, snp, microcode] = parsing(() => native().parseTcb(raw, layout));
  return fmc === NO_FMC ? { bootloader, tee, snp, microcode } : { fmc, bootloader, tee, snp, microcode };
}

function layoutOf(product: Product | undefined): 0 | 1 | undefined {
  switch (product) {
    case undefined:
      return undefined;
    case 'Milan':
    case 'Genoa':
      return 0;
    case 'Turin':
      return 1;
    default:
      throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `unknown product ${String(product)}`);
  }
}
