import type { Product, Tcb } from '../../abi/tcb.js';

/** TCB_VERSION, 8 bytes: Turin moved every field but the microcode's (layouts.md 2). */
export function encodeTcb(product: Product, tcb: Tcb): Buffer {
  return product === 'Turin'
    ? Buffer.from([tcb.fmc ?? 0, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode])
    : Buffer.from([tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode]);
}

/** The reverse of {@link encodeTcb}. */
export function decodeTcb(product: Product, bytes: Uint8Array): Tcb {
  const at = (index: number): number => bytes[index] ?? 0;
  return product === 'Turin'
    ? { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) }
    : { bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) };
}
