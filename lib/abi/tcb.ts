import { isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { invalid } from '../base/options.js';
import { emptyInput, malformed, plainBytes } from './input.js';

/** AMD product line, as in the names of its root keys and KDS URLs. */
export type Product = 'Milan' | 'Genoa' | 'Turin';

/** Order of the bytes of a TCB_VERSION: `Milan` is Genoa's too. */
export type TcbLayout = 'Milan' | 'Turin';

/** Security patch levels of a TCB_VERSION. Each is 0–255; `fmc` exists on Turin only. */
export interface Tcb {
  fmc?: number;
  bootloader: number;
  tee: number;
  snp: number;
  microcode: number;
}

export const TCB_COMPONENTS = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const;

export const TCB_SIZE = 8;

/**
 * Decodes a TCB_VERSION of 8 bytes as `product` lays it out.
 *
 * Source: SEV Secure Nested Paging Firmware ABI Specification, "TCB_VERSION".
 *
 * @throws {AttestationError} 21 for no bytes, 20 for another size, 8 for an unknown product.
 */
export function parseTcb(bytes: Uint8Array, product: Product): Tcb {
  const raw = plainBytes(bytes);
  if (raw.length === 0) throw emptyInput('the TCB_VERSION');
  const layout = tcbLayoutOf(product);
  if (layout === undefined) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a product is needed');
  if (raw.length !== TCB_SIZE) throw malformed('TCB_VERSION', 'it is not 8 bytes long');
  return readTcb(raw, 0, layout);
}

/** The layout of a product's TCB; undefined without a product. */
export function tcbLayoutOf(product: Product | undefined): TcbLayout | undefined {
  switch (product) {
    case undefined:
      return undefined;
    case 'Milan':
    case 'Genoa':
      return 'Milan';
    case 'Turin':
      return 'Turin';
    default:
      throw invalid('unknown product');
  }
}

/** The TCB_VERSION at `offset`, which has 8 bytes there. */
export function readTcb(bytes: Uint8Array, offset: number, layout: TcbLayout): Tcb {
  const at = (index: number): number => bytes[offset + index] as number;
  return layout === 'Turin'
    ? { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) }
    : { bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) };
}

/** Whether the bytes that a layout leaves unused are zero. */
export function isTcbReservedZero(bytes: Uint8Array, offset: number, layout: TcbLayout): boolean {
  const [begin, end] = layout === 'Turin' ? ([4, 7] as const) : ([2, 6] as const);
  return isZero(bytes, offset + begin, offset + end);
}

/** A TCB for people: `bootloader 4, tee 0, snp 24, microcode 219`. */
export function tcbText(tcb: Partial<Tcb>): string {
  let text = '';
  for (const component of TCB_COMPONENTS) {
    const level = tcb[component];
    if (level !== undefined) text += `${text === '' ? '' : ', '}${component} ${level}`;
  }
  return text;
}
