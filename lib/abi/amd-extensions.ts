import { DerReader } from './der.js';
import { IA5_STRING, OCTET_STRING } from './der-tags.js';
import { malformed } from './input.js';
import type { Certificate } from './x509.js';

/** What AMD writes into a VCEK or VLEK certificate (VCEK Certificate and KDS Interface Specification, X.509v3 extensions). */
export interface EndorsementExtensions {
  /** Order of the TCB's components: 0 for Milan and Genoa, 1 for Turin and later. */
  readonly structVersion: 0 | 1;
  /** For instance `Milan-B0`, `Genoa`, `Turin`. Absent when it is not a proper IA5String: it only repeats the issuer's name. */
  readonly productName: string | undefined;
  /** Security patch levels, 0 to 255 each; `fmc` with `structVersion` 1 only. */
  readonly tcb: {
    readonly fmc?: number;
    readonly bootloader: number;
    readonly tee: number;
    readonly snp: number;
    readonly microcode: number;
  };
  /** VCEK: 64 bytes, on Turin 8. */
  readonly hwid: Uint8Array | undefined;
  /** VLEK: the cloud service provider. */
  readonly cspId: string | undefined;
}

const ARC = '1.3.6.1.4.1.3704.1';
const STRUCTURE = 'endorsement key certificate';

/**
 * AMD's extensions of a leaf certificate.
 *
 * @throws {AttestationError} 20 when one is missing or not encoded as specified.
 */
export function parseEndorsementExtensions(certificate: Certificate): EndorsementExtensions {
  const optional = (suffix: string) => certificate.extensions.get(`${ARC}.${suffix}`)?.value;
  const required = (suffix: string) => {
    const value = optional(suffix);
    if (value === undefined) throw malformed(STRUCTURE, `extension ${ARC}.${suffix} is missing`);
    return value;
  };
  const structVersion = patchLevel(required('1'));
  if (structVersion > 1) throw malformed(STRUCTURE, 'unknown structVersion');
  const isTurin = structVersion === 1;
  if (!isTurin && optional('3.9') !== undefined) throw malformed(STRUCTURE, 'fmcSPL with structVersion 0');
  const provider = optional('5');
  const cspId = provider && printableText(provider);
  if (provider !== undefined && cspId === undefined) throw malformed(STRUCTURE, 'an unprintable CSP_ID');
  const hwid = optional('4');
  return {
    structVersion: isTurin ? 1 : 0,
    tcb: {
      bootloader: patchLevel(required('3.1')),
      tee: patchLevel(required('3.2')),
      snp: patchLevel(required('3.3')),
      microcode: patchLevel(required('3.8')),
      ...(isTurin && { fmc: patchLevel(required('3.9')) }),
    },
    productName: printableText(required('2')),
    hwid: hwid && hardwareId(hwid),
    cspId,
  };
}

// A level of 0x80 and above takes two bytes, so "the third byte" is not the level.
function patchLevel(value: Uint8Array): number {
  const reader = new DerReader(value, STRUCTURE);
  const level = reader.small(255);
  reader.end();
  return level;
}

/** IA5String of 1 to 64 printable characters; undefined for anything else. */
function printableText(value: Uint8Array): string | undefined {
  const size = value.length - 2;
  const text = value.subarray(2);
  if (value[0] !== IA5_STRING || value[1] !== size || size < 1 || size > 64) return undefined;
  return text.some((byte) => byte < 0x20 || byte > 0x7e) ? undefined : String.fromCharCode(...text);
}

/** Raw 64 or 8 bytes, or 64 bytes in an OCTET STRING: told apart by length, since a raw one may begin with 04. */
function hardwareId(value: Uint8Array): Uint8Array {
  const wrapped = value.length === 66 && value[0] === OCTET_STRING && value[1] === 64;
  const hwid = wrapped ? value.subarray(2) : value;
  if (hwid.length !== 64 && hwid.length !== 8) throw malformed(STRUCTURE, 'an HWID');
  return hwid;
}
