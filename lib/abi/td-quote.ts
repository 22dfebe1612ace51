import { isZero } from '../base/bytes.js';
import { emptyInput, malformed, plainBytes } from './input.js';
import { FieldReader } from './td-fields.js';
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
const HEADER_SIZE = 48;
const BODY_SIZES: ReadonlyMap<number, number> = /* @__PURE__ */ new Map([
  [2, 584],
  [3, 648],
  [4, 885],
]);
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
  const header = new FieldReader(raw.subarray(0, HEADER_SIZE), STRUCTURE, HEADER_SIZE);
  const version = header.u16(0);
  if (version !== 4 && version !== 5) throw malformed(STRUCTURE, `version ${version} instead of 4 or 5`);
  const attestationKeyType = header.u16(2);
  if (attestationKeyType !== KEY_TYPE_P256) throw malformed(STRUCTURE, `attestation key type ${attestationKeyType}`);
  const teeType = header.u32(4);
  if (teeType !== TEE_TYPE_TDX) throw malformed(STRUCTURE, `TEE type 0x${teeType.toString(16)} instead of 0x81`);
  const { type, start, end } = bodyRange(raw, version);
  if (end + 4 > raw.length) throw malformed(STRUCTURE, 'truncated');
  const size = new FieldReader(raw.subarray(end, end + 4), STRUCTURE, 4).u32(0);
  const rest = raw.subarray(end + 4);
  if (size > rest.length) throw malformed(STRUCTURE, `signature data of ${size} bytes in ${rest.length}`);
  const padding = rest.subarray(size);
  return {
    version,
    attestationKeyType,
    teeType,
    qeVendorId: header.bytes(12, 16),
    userData: header.bytes(28, 20),
    bodyType: type,
    ...readBody(raw.subarray(start, end), type),
    signed: raw.subarray(0, end),
    ...readSignatureData(rest.subarray(0, size)),
    padding,
    warnings: isZero(padding) ? [] : ['the bytes behind the TD quote are not zero'],
  };
}

function bodyRange(raw: Uint8Array, version: 4 | 5): { type: TdBodyType; start: number; end: number } {
  if (version === 4) return { type: 2, start: HEADER_SIZE, end: HEADER_SIZE + 584 };
  const descriptor = new FieldReader(raw.subarray(HEADER_SIZE, HEADER_SIZE + 6), STRUCTURE, 6);
  const type = descriptor.u16(0);
  const size = descriptor.u32(2);
  if (!isBodyType(type) || size !== BODY_SIZES.get(type)) {
    throw malformed(STRUCTURE, `body type ${type} with ${size} bytes`);
  }
  return { type, start: HEADER_SIZE + 6, end: HEADER_SIZE + 6 + size };
}

function isBodyType(type: number): type is TdBodyType {
  return BODY_SIZES.has(type);
}

type TdBody = TdMeasurements & Pick<TdQuote, 'teeTcbSvn2' | 'mrservicetd' | 'migration'>;
type Mutable<T> = { -readonly [Member in keyof T]: T[Member] };

function readBody(bytes: Uint8Array, type: TdBodyType) {
  const body = new FieldReader(bytes, STRUCTURE, BODY_SIZES.get(type) ?? 0);
  const measurements: Mutable<TdBody> = {
    teeTcbSvn: body.bytes(0, 16),
    mrseam: body.bytes(16, 48),
    mrsignerseam: body.bytes(64, 48),
    seamAttributes: body.bytes(112, 8),
    tdAttributes: body.bytes(120, 8),
    xfam: body.bytes(128, 8),
    mrtd: body.bytes(136, 48),
    mrconfigid: body.bytes(184, 48),
    mrowner: body.bytes(232, 48),
    mrownerconfig: body.bytes(280, 48),
    rtmrs: body.list(328, 4, 48),
    reportData: body.bytes(520, 64),
  };
  if (type > 2) {
    measurements.teeTcbSvn2 = body.bytes(584, 16);
    measurements.mrservicetd = body.bytes(600, 48);
  }
  if (type === 4) measurements.migration = readMigrationInfo(body);
  return measurements;
}

function readMigrationInfo(body: FieldReader): TdMigrationInfo {
  return {
    vmid: body.u8(648),
    tdId: body.bytes(649, 32),
    deviceInfo: body.bytes(681, 48),
    initialServtdHash: body.bytes(729, 48),
    initialServtdAttributes: body.bytes(777, 8),
    initialCpusvn: body.bytes(785, 16),
    initialTeeTcbSvn: body.bytes(801, 16),
    initialFmspc: body.bytes(817, 12),
    currentServtdHash: body.bytes(829, 48),
    currentServtdAttributes: body.bytes(877, 8),
  };
}
