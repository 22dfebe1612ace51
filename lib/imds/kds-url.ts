import type { Product, Tcb } from '../abi/tcb.js';
import { isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';

/** AMD's Key Distribution Service. */
export const DEFAULT_KDS_URL = 'https://kdsintf.amd.com';

/** Whose hierarchy: VCEK (ASK) or VLEK (ASVK). */
export type EndorsementKind = 'vcek' | 'vlek';

const PRODUCTS: readonly Product[] = ['Milan', 'Genoa', 'Turin'];
const CHIP_ID_SIZE = 64;
const TURIN_HWID_SIZE = 8;

/**
 * Where the VCEK of a chip at a TCB is found. The TCB is the **reported** one; Turin takes the first 8 bytes of the chip id
 * and the FMC level, the others 64 bytes and no FMC level.
 *
 * Source: Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification, chapter 4.
 *
 * @throws {AttestationError} 8 for a chip id that is masked or of the wrong size, or a TCB of the wrong layout.
 */
export function vcekUrl(product: Product, chipId: Uint8Array, tcb: Tcb, base: string | URL = DEFAULT_KDS_URL): URL {
  requireProduct(product);
  const url = new URL(`/vcek/v1/${product}/${hardwareId(product, chipId)}`, base);
  for (const [name, level] of patchLevels(product, tcb)) url.searchParams.set(name, level);
  return url;
}

/** Where ASK (or ASVK) and ARK of a product are found, as PEM in this order. */
export function chainUrl(product: Product, kind: EndorsementKind = 'vcek', base: string | URL = DEFAULT_KDS_URL): URL {
  requireProduct(product);
  return new URL(`/${kind}/v1/${product}/cert_chain`, base);
}

/** Where the ARK's revocation list of a product is found, as DER. */
export function crlUrl(product: Product, kind: EndorsementKind = 'vcek', base: string | URL = DEFAULT_KDS_URL): URL {
  requireProduct(product);
  return new URL(`/${kind}/v1/${product}/crl`, base);
}

/** The part of the chip id that names the chip, in hex. */
function hardwareId(product: Product, chipId: Uint8Array): string {
  if (chipId.length !== CHIP_ID_SIZE) throw invalid('a chip id is 64 bytes long');
  const size = product === 'Turin' ? TURIN_HWID_SIZE : CHIP_ID_SIZE;
  if (isZero(chipId.subarray(0, size))) throw invalid('the chip id is masked: no certificate can be found by it');
  if (!isZero(chipId.subarray(size))) throw invalid('a chip id of Turin is 8 bytes and zeros');
  return hex(chipId.subarray(0, size));
}

function patchLevels(product: Product, tcb: Tcb): [name: string, level: string][] {
  const levels: [string, number | undefined][] = [
    ...(product === 'Turin' ? ([['fmcSPL', tcb.fmc]] as [string, number | undefined][]) : []),
    ['blSPL', tcb.bootloader],
    ['teeSPL', tcb.tee],
    ['snpSPL', tcb.snp],
    ['ucodeSPL', tcb.microcode],
  ];
  return levels.map(([name, level]) => {
    if (level === undefined || !Number.isInteger(level) || level < 0 || level > 255) {
      throw invalid(`${name} of ${product} is a number from 0 to 255`);
    }
    return [name, String(level).padStart(2, '0')];
  });
}

function requireProduct(product: Product): void {
  if (!PRODUCTS.includes(product)) throw invalid('the key service knows Milan, Genoa and Turin only');
}

function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
}
