import { equalBytes, isZero } from '../base/bytes.js';
import { sha2 } from '../base/sha2.js';
import { emptyInput, malformed, plainBytes } from './input.js';
import { FieldReader, readModule, readTdInfo } from './td-fields.js';

/** What a TD is, as both TDREPORT and TD quote say it. All byte fields are views, in the order of the structure. */
export interface TdMeasurements {
  /** 16 bytes: ISVSVN of the TDX module, its version, SVN of the late microcode update, then zeros. */
  readonly teeTcbSvn: Uint8Array;
  /** 48 bytes: hash of the TDX module. */
  readonly mrseam: Uint8Array;
  /** 48 bytes: signer of the TDX module; zeros for Intel. */
  readonly mrsignerseam: Uint8Array;
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array;
  /** 8 bytes, little-endian: bit 0 DEBUG, 28 SEPT_VE_DISABLE, 29 MIGRATABLE, 30 PKS, 31 KL, 63 PERFMON. */
  readonly tdAttributes: Uint8Array;
  /** 8 bytes, little-endian: extended features that the TD may use. */
  readonly xfam: Uint8Array;
  /** 48 bytes: what the TD was started with. On Azure the paravisor, not the guest. */
  readonly mrtd: Uint8Array;
  /** 48 bytes each, chosen by whoever starts the TD. */
  readonly mrconfigid: Uint8Array;
  readonly mrowner: Uint8Array;
  readonly mrownerconfig: Uint8Array;
  /** Four of 48 bytes: measurements extended at run time. All zero on Azure. */
  readonly rtmrs: readonly Uint8Array[];
  /** 64 bytes. */
  readonly reportData: Uint8Array;
}

/**
 * TDREPORT_STRUCT, 1024 bytes (Intel TDX Module ABI specification, TDREPORT_STRUCT). It is authenticated by a MAC that only the
 * same processor can check: to anybody else it says what the TD quote made from it proves.
 */
export interface TdReport extends TdMeasurements {
  /** 0x81 for TDX. */
  readonly type: number;
  readonly subtype: number;
  readonly version: number;
  /** 16 bytes. */
  readonly cpusvn: Uint8Array;
  /** 48 bytes: SHA-384 of TEE_TCB_INFO. */
  readonly teeTcbInfoHash: Uint8Array;
  /** 48 bytes: SHA-384 of TDINFO. */
  readonly teeInfoHash: Uint8Array;
  /** 32 bytes. */
  readonly mac: Uint8Array;
  /** 16 bytes: TEE_TCB_SVN of the module that runs now (TDX 1.5); zeros before. */
  readonly teeTcbSvn2: Uint8Array;
  /** 48 bytes: hash over the service TDs bound to this TD. */
  readonly servtdHash: Uint8Array;
  /** Reserved areas that are not zero. */
  readonly unknownFields: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** The 1024 bytes. */
  readonly raw: Uint8Array;
}

const TD_REPORT_SIZE = 1024;
const TDX_REPORT_TYPE = 0x81;
const STRUCTURE = 'TD report';

/** The last is TDINFO's end: newer modules keep an id of the TD there. */
const RESERVED: readonly (readonly [offset: number, size: number])[] = [
  [0x004, 12],
  [0x0c0, 32],
  [0x190, 95],
  [0x1ef, 17],
  [0x3c0, 64],
];

/**
 * Decodes a TDREPORT. Nothing is verified: {@link tdReportHashes} says whether its parts belong together.
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes, `HCL_REPORT_PARSING_FAILURE` (20) for another size or a
 * report that is not of TDX.
 */
export function parseTdReport(bytes: Uint8Array): TdReport {
  const raw = plainBytes(bytes);
  if (raw.length === 0) throw emptyInput(`the ${STRUCTURE}`);
  if (raw.length !== TD_REPORT_SIZE) throw malformed(STRUCTURE, `${raw.length} instead of ${TD_REPORT_SIZE} bytes`);
  const reader = new FieldReader(raw, STRUCTURE);
  const type = reader.number(1);
  if (type !== TDX_REPORT_TYPE) throw malformed(STRUCTURE, `report type 0x${type.toString(16)} instead of 0x81`);
  const unknownFields = RESERVED.map(([offset, size]) => ({ offset, bytes: reader.at(offset).bytes(size) }));
  return {
    type,
    subtype: reader.at(1).number(1),
    version: reader.number(1),
    cpusvn: reader.at(0x010).bytes(16),
    teeTcbInfoHash: reader.bytes(48),
    teeInfoHash: reader.bytes(48),
    reportData: reader.bytes(64),
    mac: reader.at(0x0e0).bytes(32),
    ...readModule(reader.at(0x108)),
    teeTcbSvn2: reader.bytes(16),
    ...readTdInfo(reader.at(0x200)),
    servtdHash: reader.bytes(48),
    unknownFields: unknownFields.filter((field) => !isZero(field.bytes)),
    raw,
  };
}

/** Whether the two hashes in the head of a TDREPORT are those of the parts behind it. */
export function tdReportHashes(report: TdReport): { readonly teeTcbInfo: boolean; readonly teeInfo: boolean } {
  const { raw, teeTcbInfoHash, teeInfoHash } = report;
  return {
    teeTcbInfo: equalBytes(sha2('SHA-384', raw.subarray(0x100, 0x1ef)), teeTcbInfoHash),
    teeInfo: equalBytes(sha2('SHA-384', raw.subarray(0x200, 0x400)), teeInfoHash),
  };
}
