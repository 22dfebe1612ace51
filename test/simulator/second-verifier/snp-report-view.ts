import type { Product, Tcb } from '../../../lib/abi/tcb.js';
import { decodeTcb } from '../../../lib/simulator/evidence/tcb.js';
import { malformed } from '../../../lib/simulator/service/refusal.js';

/** Fields of a SEV-SNP report that the service checks or repeats in its token (layouts.md 2). */
export interface SnpReportView {
  bytes: Buffer;
  version: number;
  guestSvn: number;
  policy: bigint;
  familyId: Buffer;
  imageId: Buffer;
  vmpl: number;
  signatureAlgorithm: number;
  keyInfo: number;
  reportData: Buffer;
  measurement: Buffer;
  hostData: Buffer;
  idKeyDigest: Buffer;
  authorKeyDigest: Buffer;
  reportId: Buffer;
  cpuFamily: number;
  cpuModel: number;
  chipId: Buffer;
  /** In the product's layout of TCB_VERSION. */
  tcbs(product: Product): Record<'reported' | 'committed' | 'current' | 'launch', Tcb>;
}

export const policyBit = {
  smt: 1n << 16n,
  reservedOne: 1n << 17n,
  migrationAgent: 1n << 18n,
  debug: 1n << 19n,
} as const;

export function viewSnpReport(bytes: Buffer): SnpReportView {
  if (bytes.length !== 1184) throw malformed(`the SNP report has ${bytes.length} bytes, not 1184`);
  const slice = (offset: number, size: number): Buffer => bytes.subarray(offset, offset + size);
  return {
    bytes,
    version: bytes.readUInt32LE(0x000),
    guestSvn: bytes.readUInt32LE(0x004),
    policy: bytes.readBigUInt64LE(0x008),
    familyId: slice(0x010, 16),
    imageId: slice(0x020, 16),
    vmpl: bytes.readUInt32LE(0x030),
    signatureAlgorithm: bytes.readUInt32LE(0x034),
    keyInfo: bytes.readUInt32LE(0x048),
    reportData: slice(0x050, 64),
    measurement: slice(0x090, 48),
    hostData: slice(0x0c0, 32),
    idKeyDigest: slice(0x0e0, 48),
    authorKeyDigest: slice(0x110, 48),
    reportId: slice(0x140, 32),
    cpuFamily: bytes.readUInt8(0x188),
    cpuModel: bytes.readUInt8(0x189),
    chipId: slice(0x1a0, 64),
    tcbs: (product) => {
      const tcb = (offset: number): Tcb => decodeTcb(product, slice(offset, 8));
      return { reported: tcb(0x180), committed: tcb(0x1e0), current: tcb(0x038), launch: tcb(0x1f0) };
    },
  };
}
