import { createHash, createHmac } from 'node:crypto';
import { placeholderDigest } from '../evidence/platform.js';

const tdReportSize = 1024;

/** What a TD is, as its report says; whatever is left out is as on Azure (tdx.md 1.1). */
export interface TdReportFields {
  /** 16 bytes: module SVN, module version, microcode, then zeros. */
  teeTcbSvn?: Uint8Array;
  /** The same for the module that runs now; it may have been updated since launch. Default: as at launch. */
  teeTcbSvn2?: Uint8Array;
  /** 16 bytes. */
  cpuSvn?: Uint8Array;
  mrSeam?: Uint8Array;
  mrSignerSeam?: Uint8Array;
  seamAttributes?: bigint;
  /** ATTRIBUTES: bit 0 debug, 28 SEPT_VE_DISABLE (alone by default), 29 migratable. */
  attributes?: bigint;
  xfam?: bigint;
  mrTd?: Uint8Array;
  mrConfigId?: Uint8Array;
  mrOwner?: Uint8Array;
  mrOwnerConfig?: Uint8Array;
  /** RTMR0 to 3. */
  rtmrs?: readonly Uint8Array[];
  servTdHash?: Uint8Array;
}

export const defaultTeeTcbSvn = Buffer.from('0d010400000000000000000000000000', 'hex');
export const defaultCpuSvn = Buffer.from('0404191b04ff00060000000000000000', 'hex');

/** TEE_TCB_INFO.valid of the genuine reports. */
const validFields = Buffer.from('ff01030000000000', 'hex');

/** Where the MAC lies, and how much it covers. */
const mac = { offset: 0xe0, size: 32 } as const;

/**
 * Lays out a TDREPORT with its two SHA-384 hashes.
 *
 * @param reportData at most 64 bytes
 * @param macKey secret of the platform: its MAC is what tells a report of this platform from any other. Zeros without
 */
export function buildTdReport(reportData: Uint8Array, fields: TdReportFields = {}, macKey?: Uint8Array): Buffer {
  const report = Buffer.alloc(tdReportSize);
  const { teeTcbSvn = defaultTeeTcbSvn } = fields;
  report[0] = 0x81; // REPORTTYPE.TYPE: TDX
  report.set(fields.cpuSvn ?? defaultCpuSvn, 0x010);
  report.set(reportData, 0x080);
  report.set(validFields, 0x100);
  report.set(teeTcbSvn, 0x108);
  report.set(fields.mrSeam ?? placeholderDigest('TDX module', 48), 0x118);
  report.set(fields.mrSignerSeam ?? [], 0x148);
  report.writeBigUInt64LE(fields.seamAttributes ?? 0n, 0x178);
  report.set(fields.teeTcbSvn2 ?? teeTcbSvn, 0x180);
  report.writeBigUInt64LE(fields.attributes ?? 1n << 28n, 0x200);
  report.writeBigUInt64LE(fields.xfam ?? 0x618e7n, 0x208);
  report.set(fields.mrTd ?? placeholderDigest('MRTD', 48), 0x210);
  report.set(fields.mrConfigId ?? [], 0x240);
  report.set(fields.mrOwner ?? [], 0x270);
  report.set(fields.mrOwnerConfig ?? [], 0x2a0);
  for (const [index, value] of (fields.rtmrs ?? []).entries()) report.set(value, 0x2d0 + 48 * index);
  report.set(fields.servTdHash ?? [], 0x390);
  const hash = (start: number, end: number): Buffer =>
    createHash('sha384').update(report.subarray(start, end)).digest();
  report.set(hash(0x100, 0x1ef), 0x020);
  report.set(hash(0x200, 0x400), 0x050);
  if (macKey) report.set(reportMac(report, macKey), mac.offset);
  return report;
}

/** Whether a report was made with this key and not changed since. */
export function isReportOf(report: Uint8Array, macKey: Uint8Array): boolean {
  return (
    report.length === tdReportSize &&
    reportMac(report, macKey).equals(report.subarray(mac.offset, mac.offset + mac.size)) &&
    Buffer.from(report).equals(rebuilt(report))
  );
}

/** The hashes cover what the MAC does not. */
function rebuilt(report: Uint8Array): Buffer {
  const copy = Buffer.from(report);
  copy.set(createHash('sha384').update(report.subarray(0x100, 0x1ef)).digest(), 0x020);
  copy.set(createHash('sha384').update(report.subarray(0x200, 0x400)).digest(), 0x050);
  return copy;
}

function reportMac(report: Uint8Array, macKey: Uint8Array): Buffer {
  return createHmac('sha256', macKey).update(report.subarray(0, mac.offset)).digest();
}
