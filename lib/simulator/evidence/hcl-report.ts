import { createHash } from 'node:crypto';

/** Offsets of the HCL attestation report (layouts.md 1). */
const hardwareReportOffset = 32;
const runtimeDataOffset = 1216;
const variableDataOffset = 1236;
const hardwareReportArea = 1184;

/** HCL report types and where report_data lies in the hardware report of each. */
const hclReportTypes = { vbs: 1, snp: 2, tvm: 3, tdx: 4 } as const;

const hclHashes = { sha256: 1, sha384: 2, sha512: 3 } as const;
export type HclHash = keyof typeof hclHashes;

export interface HclReportFields {
  /** Version of the header: 1 as older images have it, 2 as newer ones. */
  headerVersion?: number;
  requestType?: number;
  reportType: keyof typeof hclReportTypes | number;
  hashType?: HclHash | number;
  /** At most 1184 bytes. */
  hardwareReport: Uint8Array;
  variableData: Uint8Array;
  /** Size that the report is padded to: 2048 on older images, 2600 on newer ones. Default: not padded. */
  paddedSize?: number;
}

/** Lays out an HCL attestation report as NV index 0x01400001 holds it. */
export function buildHclReport(fields: HclReportFields): Buffer {
  const { variableData, hardwareReport, reportType, hashType = 'sha256' } = fields;
  const used = variableDataOffset + variableData.length;
  if (hardwareReport.length > hardwareReportArea) throw new RangeError('hardware report of more than 1184 bytes');
  if (fields.paddedSize !== undefined && fields.paddedSize < used) {
    throw new RangeError(`the HCL report takes ${used} bytes, its index has ${fields.paddedSize}`);
  }
  const report = Buffer.alloc(fields.paddedSize ?? used);
  report.write('HCLA', 0, 'latin1');
  report.writeUInt32LE(fields.headerVersion ?? 2, 4);
  report.writeUInt32LE(used, 8);
  report.writeUInt32LE(fields.requestType ?? 2, 12);
  report.set(hardwareReport, hardwareReportOffset);
  report.writeUInt32LE(20 + variableData.length, runtimeDataOffset);
  report.writeUInt32LE(1, runtimeDataOffset + 4);
  report.writeUInt32LE(typeof reportType === 'number' ? reportType : hclReportTypes[reportType], runtimeDataOffset + 8);
  report.writeUInt32LE(typeof hashType === 'number' ? hashType : hclHashes[hashType], runtimeDataOffset + 12);
  report.writeUInt32LE(variableData.length, runtimeDataOffset + 16);
  report.set(variableData, variableDataOffset);
  return report;
}

/** report_data that binds the variable data: its hash, then zeros up to 64 bytes. */
export function bindingReportData(variableData: Uint8Array, hash: HclHash = 'sha256'): Buffer {
  return Buffer.concat([createHash(hash).update(variableData).digest(), Buffer.alloc(64)], 64);
}
