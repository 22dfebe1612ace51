import { createHash } from 'node:crypto';
import type { Product, Tcb } from '../../abi/tcb.js';

/** What differs from one AMD product to the next in a report. Values are of the genuine reports of layouts.md 2. */
export interface Platform {
  product: Product;
  /** Version that the product's firmware writes. */
  reportVersion: number;
  /** CPUID family, model and stepping, combined values. */
  cpuid: readonly [family: number, model: number, stepping: number];
  tcb: Tcb;
  platformInfo: bigint;
  /** Firmware build, minor and major. */
  firmware: readonly [build: number, minor: number, major: number];
  /** Bytes of the chip id that the hardware fills; the rest is zero. */
  hardwareIdSize: 8 | 64;
  /** launch_mit_vector and current_mit_vector, reports of version 5 only. */
  mitigationVector: bigint;
}

export const platforms: Record<Product, Platform> = {
  Milan: {
    product: 'Milan',
    reportVersion: 3,
    cpuid: [0x19, 0x01, 0x01],
    tcb: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
    platformInfo: 0x25n,
    firmware: [29, 55, 1],
    hardwareIdSize: 64,
    mitigationVector: 0n,
  },
  Genoa: {
    product: 'Genoa',
    reportVersion: 3,
    cpuid: [0x19, 0x11, 0x01],
    tcb: { bootloader: 10, tee: 0, snp: 23, microcode: 84 },
    platformInfo: 0x27n,
    firmware: [40, 55, 1],
    hardwareIdSize: 64,
    mitigationVector: 0n,
  },
  Turin: {
    product: 'Turin',
    reportVersion: 5,
    cpuid: [0x1a, 0x02, 0x01],
    tcb: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 },
    platformInfo: 0x65n,
    firmware: [65, 55, 1],
    hardwareIdSize: 8,
    mitigationVector: 0x3fn,
  },
};

/** Deterministic bytes for a field that only has to look like a digest. */
export function placeholderDigest(label: string, size: number): Buffer {
  return createHash('sha512').update(`simulated ${label}`).digest().subarray(0, size);
}
