import { type KeyObject, sign } from 'node:crypto';
import type { Product, Tcb } from '../../abi/tcb.js';
import { type Platform, placeholderDigest, platforms } from './platform.js';
import { encodeTcb } from './tcb.js';

const snpReportSize = 1184;

/** The part of a report that is signed: everything before the signature. */
export const snpSignedSize = 0x2a0;

/** Fields of a SEV-SNP report; whatever is left out has the value of an Azure guest on that product. */
export interface SnpReportFields {
  version?: number;
  guestSvn?: number;
  policy?: bigint;
  familyId?: Uint8Array;
  imageId?: Uint8Array;
  vmpl?: number;
  signatureAlgorithm?: number;
  currentTcb?: Tcb;
  platformInfo?: bigint;
  /** author_key_en, mask_chip_key and signing_key, as in the field at 0x048. */
  keyInfo?: number;
  reportData?: Uint8Array;
  measurement?: Uint8Array;
  hostData?: Uint8Array;
  idKeyDigest?: Uint8Array;
  authorKeyDigest?: Uint8Array;
  reportId?: Uint8Array;
  reportIdMa?: Uint8Array;
  reportedTcb?: Tcb;
  cpuid?: readonly [family: number, model: number, stepping: number];
  /** 64 bytes, or 8 that are padded with zeros. */
  chipId?: Uint8Array;
  committedTcb?: Tcb;
  launchTcb?: Tcb;
}

/** policy of every Azure guest: ABI 0.31, SMT allowed, the reserved bit. */
const azurePolicy = 0x3001fn;

/** Lays out a report of 1184 bytes without a signature (layouts.md 2). */
export function buildSnpReport(product: Product, fields: SnpReportFields): Buffer {
  const platform = platforms[product];
  const report = Buffer.alloc(snpReportSize);
  const version = fields.version ?? platform.reportVersion;
  report.writeUInt32LE(version, 0x000);
  report.writeUInt32LE(fields.guestSvn ?? 10, 0x004);
  report.writeBigUInt64LE(fields.policy ?? azurePolicy, 0x008);
  report.set(fields.familyId ?? [1], 0x010);
  report.set(fields.imageId ?? [2], 0x020);
  report.writeUInt32LE(fields.vmpl ?? 0, 0x030);
  report.writeUInt32LE(fields.signatureAlgorithm ?? 1, 0x034);
  report.writeBigUInt64LE(fields.platformInfo ?? platform.platformInfo, 0x040);
  report.writeUInt32LE(fields.keyInfo ?? 0, 0x048);
  report.set(fields.reportData ?? [], 0x050);
  report.set(fields.measurement ?? placeholderDigest('launch measurement', 48), 0x090);
  report.set(fields.hostData ?? [], 0x0c0);
  report.set(fields.idKeyDigest ?? placeholderDigest('id key', 48), 0x0e0);
  report.set(fields.authorKeyDigest ?? [], 0x110);
  report.set(fields.reportId ?? placeholderDigest('report id', 32), 0x140);
  report.set(fields.reportIdMa ?? Buffer.alloc(32, 0xff), 0x160);
  if (version >= 3) report.set(fields.cpuid ?? platform.cpuid, 0x188);
  report.set(fields.chipId ?? [], 0x1a0);
  writeTcbs(report, platform, fields);
  if (version >= 2) writeFirmwareVersions(report, platform);
  if (version >= 5) {
    report.writeBigUInt64LE(platform.mitigationVector, 0x1f8);
    report.writeBigUInt64LE(platform.mitigationVector, 0x200);
  }
  return report;
}

function writeTcbs(report: Buffer, platform: Platform, fields: SnpReportFields): void {
  const reported = fields.reportedTcb ?? platform.tcb;
  const encode = (tcb: Tcb): Buffer => encodeTcb(platform.product, tcb);
  report.set(encode(fields.currentTcb ?? reported), 0x038);
  report.set(encode(reported), 0x180);
  report.set(encode(fields.committedTcb ?? reported), 0x1e0);
  if (report.readUInt32LE(0) >= 2) report.set(encode(fields.launchTcb ?? reported), 0x1f0);
}

function writeFirmwareVersions(report: Buffer, { firmware }: Platform): void {
  report.set(firmware, 0x1e8);
  report.set(firmware, 0x1ec);
}

/** Signs a report in place: ECDSA P-384 with SHA-384, R and S as 72-byte little-endian numbers. */
export function signSnpReport(report: Buffer, privateKey: KeyObject): Buffer {
  const signature = sign('sha384', report.subarray(0, snpSignedSize), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const littleEndian = (part: Buffer): Buffer => Buffer.from(part).reverse();
  report.set(littleEndian(signature.subarray(0, 48)), snpSignedSize);
  report.set(littleEndian(signature.subarray(48)), snpSignedSize + 72);
  return report;
}
