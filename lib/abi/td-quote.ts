import { isZero } from '../base/bytes.js';
import { emptyInput, malformed, plainBytes } from './input.js';
import { FieldReader, readModule, readTdInfo } from './td-fields.js';
import { readSignatureData, type TdQuoteSignatureData } from './td-quote-signature.js';
import type { TdMeasurements } from './td-report.js';

export type { PckCertificationData, QeReport, TdQuoteSignatureData } from './td-quote-signature.js';

/** TD body of TDX 1.0, of TDX 1.5, and of a TD with devices and migration (Intel DCAP, `sgx_quote_5.h`). */
export type TdBodyType = 2 | 3 | 4;

/** What only a body of type 4 has: state of a TD that may migrate. */
export interface TdMigrationInfo {
  readonly vmid: number;
  /** 32 bytes. */
  readonly tdId: Uint8Array;
  /** 48 bytes. */
  readonly deviceInfo: Uint8Array;
  /** 48 and 8 bytes: service TDs when the TD was made. */
  readonly initialServtdHash: Uint8Array;
  readonly initialServtdAttributes: Uint8Array;
  /** 16, 16 and 12 bytes: where the TD was made. */
  readonly initialCpusvn: Uint8Array;
  readonly initialTeeTcbSvn: Uint8Array;
  readonly initialFmspc: Uint8Array;
  /** 48 and 8 bytes: service TDs now. */
  readonly currentServtdHash: Uint8Array;
  readonly currentServtdAttributes: Uint8Array;
}

/**
 * A TD quote of version 4 or 5 (Intel TDX DCAP Quoting Library API, appendix 3), as it says about itself: nothing in here is
 * verified. Byte fields are views.
 */
export interface TdQuote extends TdMeasurements, TdQuoteSignatureData {
  readonly version: 4 | 5;
  /** 2: ECDSA P-256 with SHA-256. */
  readonly attestationKeyType: number;
  /** 0x81 for TDX. */
  readonly teeType: number;
  /** 16 bytes: who made the quoting enclave. */
  readonly qeVendorId: Uint8Array;
  /** 20 bytes: an id of the platform's quoting enclave, by Intel's. */
  readonly userData: Uint8Array;
  readonly bodyType: TdBodyType;
  /** 16 bytes, TDX 1.5 (body types 3 and 4): TEE_TCB_SVN of the module that runs now. */
  readonly teeTcbSvn2?: Uint8Array;
  /** 48 bytes, body types 3 and 4: hash over the service TDs bound to this TD. */
  readonly mrservicetd?: Uint8Array;
  readonly migration?: TdMigrationInfo;
  /** Header and body: what the quote's signature covers. */
  readonly signed: Uint8Array;
  /** What follows the signature data: padding, which nothing signs. */
  readonly padding: Uint8Array;
  /** What nothing signs and nothing explains, in sentences. */
  readonly warnings: readonly string[];
}

const STRUCTURE = 'TD quote';
/** Quotes take 5 KiB; 64 KiB more, since the quoting enclave's data may be that long. */
export const MAXIMUM_TD_QUOTE = 128 * 1024;
const BODY_SIZES: Readonly<Record<number, number>> = { 2: 584, 3: 648, 4: 885 };
const TEE_TYPE_TDX = 0x81;
/** ECDSA P-256 with SHA-256; P-384 (3) would change the layout behind the body. */
const KEY_TYPE_P256 = 2;

/** Whether bytes begin as a TD quote does: version 4 or 5 and the TEE type of TDX. */
export function isTdQuote(bytes: Uint8Array): boolean {
  return (
    (bytes[0] === 4 || bytes[0] === 5) && bytes[1] === 0 && bytes[4] === TEE_TYPE_TDX && isZero(bytes.subarray(5, 8))
  );
}

/**
 * Decodes a TD quote, padding allowed, at most 128 KiB. Every length must fill what it is in exactly.
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes, `HCL_REPORT_PARSING_FAILURE` (20) for anything malformed.
 */
export function parseTdQuote(bytes: Uint8Array): TdQuote {
  const raw = plainBytes(bytes);
  if (raw.length === 0) throw emptyInput(`the ${STRUCTURE}`);
  if (raw.length > MAXIMUM_TD_QUOTE) throw malformed(STRUCTURE, 'larger than 128 KiB');
  const reader = new FieldReader(raw, STRUCTURE);
  const version = reader.number(2);
  if (version !== 4 && version !== 5) throw malformed(STRUCTURE, `version ${version} instead of 4 or 5`);
  const attestationKeyType = reader.number(2);
  if (attestationKeyType !== KEY_TYPE_P256) throw malformed(STRUCTURE, `attestation key type ${attestationKeyType}`);
  const teeType = reader.number(4);
  if (teeType !== TEE_TYPE_TDX) throw malformed(STRUCTURE, `TEE type 0x${teeType.toString(16)} instead of 0x81`);
  const qeVendorId = reader.at(12).bytes(16);
  const userData = reader.bytes(20);
  const bodyType = readBodyType(reader, version);
  // Front to back: each member is read where the one before it ends.
  return {
    version,
    attestationKeyType,
    teeType,
    qeVendorId,
    userData,
    bodyType,
    ...readModule(reader),
    ...readTdInfo(reader),
    ...readRest(reader, bodyType),
    signed: raw.subarray(0, reader.position),
    ...readSignatureData(reader.sized(4)),
    ...readPadding(raw.subarray(reader.position)),
  };
}

function readPadding(padding: Uint8Array): Pick<TdQuote, 'padding' | 'warnings'> {
  return { padding, warnings: isZero(padding) ? [] : ['the bytes behind the TD quote are not zero'] };
}

function readBodyType(reader: FieldReader, version: 4 | 5): TdBodyType {
  if (version === 4) return 2;
  const type = reader.number(2);
  const size = reader.number(4);
  if (size !== BODY_SIZES[type]) throw malformed(STRUCTURE, `body type ${type} with ${size} bytes`);
  return type as TdBodyType;
}

function readRest(reader: FieldReader, type: TdBodyType) {
  const reportData = reader.bytes(64);
  if (type === 2) return { reportData };
  const teeTcbSvn2 = reader.bytes(16);
  const mrservicetd = reader.bytes(48);
  if (type === 3) return { reportData, teeTcbSvn2, mrservicetd };
  return { reportData, teeTcbSvn2, mrservicetd, migration: readMigrationInfo(reader) };
}

function readMigrationInfo(reader: FieldReader): TdMigrationInfo {
  return {
    vmid: reader.number(1),
    tdId: reader.bytes(32),
    deviceInfo: reader.bytes(48),
    initialServtdHash: reader.bytes(48),
    initialServtdAttributes: reader.bytes(8),
    initialCpusvn: reader.bytes(16),
    initialTeeTcbSvn: reader.bytes(16),
    initialFmspc: reader.bytes(12),
    currentServtdHash: reader.bytes(48),
    currentServtdAttributes: reader.bytes(8),
  };
}
