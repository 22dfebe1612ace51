import { holdsAt, isZero, viewOf } from '../base/bytes.js';
import { type HashName, sha2 } from '../base/sha2.js';
import { emptyInput, malformed, plainBytes } from './input.js';
import { parseRuntimeClaims, type RuntimeClaims } from './runtime-claims.js';

/** Hardware report type in an HCL report. */
export type HclReportType = 'invalid' | 'vbs' | 'snp' | 'tvm' | 'tdx';

/** Hash that binds the runtime data into the hardware report. */
export type HclHash = 'sha256' | 'sha384' | 'sha512';

/** The HCL attestation report of NV 0x01400001 without a look into its claims. Views point into the bytes parsed. */
export interface HclStructure {
  /** Header version, 1 or 2. */
  headerVersion: number;
  reportSize: number;
  requestType: number;
  status: number;
  reportType: HclReportType;
  /** Hash that binds the variable data into the hardware report. */
  hashType: HclHash;
  /** The hardware report alone: 1184 bytes for SNP, 1024 for TDX. */
  hardwareReport: Uint8Array;
  /** report_data of the hardware report, 64 bytes; absent for a type that has none. */
  reportData?: Uint8Array;
  /** Exactly the bytes that are hashed. */
  variableData: Uint8Array;
  /** Whether hash(variableData) is the head of report_data and the rest of it is zero. */
  bound: boolean;
  /** Bitmap of the newer 24-byte runtime data header; absent in the 20-byte form. */
  capabilities?: number;
  /** What nothing signs and nothing explains, in sentences: reserved or padding bytes that are not zero. */
  warnings: string[];
}

/** The HCL attestation report with its runtime claims. */
export interface HclReport extends HclStructure {
  /** `variableData` parsed; untrusted until the binding and the report's signature are verified. */
  claims: RuntimeClaims;
}

const HARDWARE_AREA = 32;
const HARDWARE_AREA_SIZE = 1184;
const RUNTIME_DATA = HARDWARE_AREA + HARDWARE_AREA_SIZE;
const SIGNATURE = 0x414c4348; // "HCLA"
// The NV index holds 2600 bytes today; a saved copy may be padded further.
export const HCL_REPORT_LIMIT = 64 * 1024;
const REPORT_DATA_SIZE = 64;

/** microsoft/openvmm: the header of the runtime data is 20 bytes long in version 1, 24 with a bitmap of capabilities in 2. */
const RUNTIME_HEADER_SIZES = [undefined, 20, 24];
const HASHES: readonly (readonly [HclHash, HashName] | undefined)[] = [
  undefined,
  ['sha256', 'SHA-256'],
  ['sha384', 'SHA-384'],
  ['sha512', 'SHA-512'],
];
/** Size, and where the report data is. */
const HARDWARE: readonly (readonly [HclReportType, size: number, reportData?: number])[] = [
  ['invalid', 0],
  ['vbs', 0x230, 24], // after a 20-byte header and a version
  ['snp', 1184, 0x50],
  ['tvm', 0],
  ['tdx', 1024, 128], // REPORTMACSTRUCT.REPORTDATA
];

/**
 * Decodes an HCL attestation report as read from NV index 0x01400001, zero padding allowed, at most 64 KiB. `bound` says
 * whether the hardware report binds the claims; nothing else is verified, so the claims are still the sender's word.
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes or an index that was never written,
 * `HCL_REPORT_PARSING_FAILURE` (20) for anything malformed.
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  const report = parseHclStructure(bytes);
  return Object.assign(report, { claims: parseRuntimeClaims(report.variableData) });
}

/** Computes a digest; verification hands in that of its engine. */
type Digest = (hash: HashName, data: Uint8Array) => Uint8Array;

/** The report without a look into its claims; throws as {@link parseHclReport}. */
export function parseHclStructure(bytes: Uint8Array, digest: Digest = sha2): HclStructure {
  const raw = plainBytes(bytes);
  if (raw.length === 0) throw emptyInput('the HCL report');
  if (raw.length > HCL_REPORT_LIMIT) throw refused('larger than 64 KiB');
  if (isZero(raw)) throw emptyInput('the HCL report, all zero,');
  if (raw.length < RUNTIME_DATA + 20) throw refused('truncated');
  const view = viewOf(raw);
  const u32 = (offset: number): number => view.getUint32(offset, true);

  if (u32(0) !== SIGNATURE) throw refused('does not begin with HCLA');
  const headerVersion = u32(4);
  if (headerVersion < 1 || headerVersion > 2) throw refused('unknown header version');
  const reportSize = u32(8);
  const requestType = u32(12);
  if (requestType > 3) throw refused('unknown request type');
  const status = u32(16);

  const dataSize = u32(RUNTIME_DATA);
  const headerSize = RUNTIME_HEADER_SIZES[u32(RUNTIME_DATA + 4)];
  if (headerSize === undefined) throw refused('unknown runtime data version');
  const hardware = HARDWARE[u32(RUNTIME_DATA + 8)];
  if (hardware === undefined) throw refused('unknown report type');
  const hash = HASHES[u32(RUNTIME_DATA + 12)];
  if (hash === undefined) throw refused('unknown hash type');
  const variableSize = u32(RUNTIME_DATA + 16);
  if (dataSize > raw.length - RUNTIME_DATA) throw refused('truncated');
  if (reportSize !== RUNTIME_DATA + dataSize) throw refused('report_size');
  if (dataSize - variableSize !== headerSize) {
    throw refused('data_size');
  }
  if (variableSize === 0) throw refused('no variable data');

  const [reportType, size, offset] = hardware;
  const [hashType, hashName] = hash;
  const hardwareReport = raw.subarray(HARDWARE_AREA, HARDWARE_AREA + size);
  const variableData = raw.subarray(RUNTIME_DATA + headerSize, reportSize);
  const report: HclStructure = {
    headerVersion,
    reportSize,
    requestType,
    status,
    reportType,
    hashType,
    hardwareReport,
    variableData,
    bound: false,
    warnings: [],
  };
  if (headerSize === 24) report.capabilities = u32(RUNTIME_DATA + 20);
  if (offset !== undefined) {
    report.reportData = hardwareReport.subarray(offset, offset + REPORT_DATA_SIZE);
    report.bound = isBound(digest(hashName, variableData), report.reportData);
  }
  if (status !== 0) report.warnings.push(`the HCL header's status is ${status}`);
  if (!isZero(raw, 20, HARDWARE_AREA)) report.warnings.push('reserved bytes of the HCL header are not zero');
  if (!isZero(raw, reportSize, raw.length)) report.warnings.push('the padding of the HCL report is not zero');
  return report;
}

function isBound(digest: Uint8Array, reportData: Uint8Array): boolean {
  return holdsAt(reportData, 0, digest.length, digest) && isZero(reportData, digest.length);
}

function refused(why: string): Error {
  return malformed('HCL report', why);
}
