import { bigEndian, concatBytes, viewOf } from '../base/bytes.js';
import { sha2 } from '../base/sha2.js';
import { emptyInput, malformed, plainBytes } from './input.js';

// Numbers of the TPM 2.0 Library, part 2: TPM_ST and TPM_ALG_ID.
export const ATTEST_CERTIFY = 0x8017;
export const ATTEST_QUOTE = 0x8018;
const ALG_SHA1 = 0x0004;
export const ALG_SHA256 = 0x000b;
const ALG_SHA384 = 0x000c;
const ALG_SHA512 = 0x000d;

/** TPM_ST_ATTEST_CERTIFY and TPM_ST_ATTEST_QUOTE. */
export const TpmAttestType = /* @__PURE__ */ Object.freeze({ CERTIFY: ATTEST_CERTIFY, QUOTE: ATTEST_QUOTE });
/** TPM_GENERATED_VALUE: no key restricted to signing signs other data that begins with it. */
export const TPM_GENERATED_VALUE = 0xff544347;
/** TPM_ALG_ID of the PCR banks. */
export const TpmHash = /* @__PURE__ */ Object.freeze({
  SHA1: ALG_SHA1,
  SHA256: ALG_SHA256,
  SHA384: ALG_SHA384,
  SHA512: ALG_SHA512,
});

const ALG_RSA = 0x0001;
const ALG_NULL = 0x0010;
const ALG_RSAES = 0x0015;
const MAXIMUM_DIGEST = 64;
const MAXIMUM_NAME = 2 + MAXIMUM_DIGEST;
const MAXIMUM_PUBLIC_AREA = 1024;
const MAXIMUM_MODULUS = 512;
const MAXIMUM_BANKS = 16;
const MAXIMUM_SELECT = 4;
const HASH_NAMES = /* @__PURE__ */ new Map([
  [ALG_SHA1 as number, 'SHA-1'],
  [ALG_SHA256, 'SHA-256'],
  [ALG_SHA384, 'SHA-384'],
  [ALG_SHA512, 'SHA-512'],
] as const);

/** TPMS_PCR_SELECTION: PCRs of one bank, in ascending order. */
export interface PcrSelection {
  /** TPM_ALG_ID of the bank. */
  hash: number;
  pcrs: number[];
}

/** TPMS_ATTEST (TPM 2.0 Library, part 2, section 10.12.8). */
export interface TpmsAttest {
  magic: number;
  type: number;
  /** Name of the signing key, qualified by its parents. */
  qualifiedSigner: Uint8Array;
  /** Qualifying data: the verifier's nonce, at most 64 bytes. */
  extraData: Uint8Array;
  /** Milliseconds that the TPM has been powered. */
  clock: bigint;
  resetCount: number;
  restartCount: number;
  safe: boolean;
  firmwareVersion: bigint;
  /** Present for `TpmAttestType.QUOTE`. */
  quote?: { pcrSelections: PcrSelection[]; pcrDigest: Uint8Array };
  /** Present for `TpmAttestType.CERTIFY`. */
  certify?: { name: Uint8Array; qualifiedName: Uint8Array };
}

/** The public area of an RSA key in a TPM (TPM 2.0 Library, part 2, section 12.2.4). */
export interface TpmPublic {
  nameAlg: number;
  objectAttributes: number;
  authPolicy: Uint8Array;
  /** TPM_ALG_ID; 0x0010 is none. */
  symmetric: number;
  scheme: number;
  /** 0 when the scheme has no hash. */
  schemeHash: number;
  keyBits: number;
  /** 65537 where the structure says 0. */
  exponent: number;
  /** Big-endian. */
  modulus: Uint8Array;
  /** nameAlg (2 bytes) and its digest of the public area: what TPM2_Certify puts its name under. */
  name: Uint8Array;
}

/**
 * Decodes a TPMS_ATTEST, without size prefix. Magic and type are handed out, not judged; a type other than quote and
 * certify keeps only the common head.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed.
 */
export function parseTpmsAttest(bytes: Uint8Array): TpmsAttest {
  const reader = new TpmReader(bytes, 'TPMS_ATTEST');
  const attest: TpmsAttest = {
    magic: reader.u32(),
    type: reader.u16(),
    qualifiedSigner: reader.sized(MAXIMUM_NAME),
    extraData: reader.sized(MAXIMUM_DIGEST),
    clock: reader.u64(),
    resetCount: reader.u32(),
    restartCount: reader.u32(),
    safe: reader.u8() !== 0,
    firmwareVersion: reader.u64(),
  };
  if (attest.type === ATTEST_QUOTE) {
    attest.quote = { pcrSelections: readSelections(reader), pcrDigest: reader.sized(MAXIMUM_DIGEST) };
    reader.finish();
  } else if (attest.type === ATTEST_CERTIFY) {
    attest.certify = { name: reader.sized(MAXIMUM_NAME), qualifiedName: reader.sized(MAXIMUM_NAME) };
    reader.finish();
  }
  return attest;
}

/**
 * Decodes a TPM2B_PUBLIC, with its 16-bit size in front, of an RSA key.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed or another type of key.
 */
export function parseTpm2bPublic(bytes: Uint8Array): TpmPublic {
  const what = 'TPM2B_PUBLIC';
  const outer = new TpmReader(bytes, what);
  const publicArea = outer.sized(MAXIMUM_PUBLIC_AREA);
  outer.finish();
  if (publicArea.length === 0) throw malformed(what, 'no public area');

  const reader = new TpmReader(publicArea, what);
  if (reader.u16() !== ALG_RSA) throw malformed(what, 'not an RSA key');
  const nameAlg = reader.u16();
  const objectAttributes = reader.u32();
  const authPolicy = reader.sized(MAXIMUM_DIGEST);
  const symmetric = reader.u16();
  if (symmetric !== ALG_NULL) reader.take(4); // key bits and mode
  const scheme = reader.u16();
  const schemeHash = scheme === ALG_NULL || scheme === ALG_RSAES ? 0 : reader.u16();
  const keyBits = reader.u16();
  const exponent = reader.u32() || 65537;
  const modulus = reader.sized(MAXIMUM_MODULUS);
  reader.finish();
  if (modulus.length * 8 !== keyBits) throw malformed(what, 'a modulus');
  const hash = HASH_NAMES.get(nameAlg);
  if (hash === undefined) throw malformed(what, 'unknown name algorithm');
  const name = concatBytes(bigEndian(nameAlg, 2), sha2(hash, publicArea));
  return {
    nameAlg,
    objectAttributes,
    authPolicy,
    symmetric,
    scheme,
    schemeHash,
    keyBits,
    exponent,
    modulus,
    name,
  };
}

function readSelections(reader: TpmReader): PcrSelection[] {
  const count = reader.u32();
  if (count > MAXIMUM_BANKS) throw reader.refused('more than 16 PCR banks');
  const selections: PcrSelection[] = [];
  for (let bank = 0; bank < count; bank++) {
    const hash = reader.u16();
    const size = reader.u8();
    if (size > MAXIMUM_SELECT) throw reader.refused('more than 32 PCRs');
    const bitmap = reader.take(size);
    const pcrs: number[] = [];
    for (let pcr = 0; pcr < size * 8; pcr++) {
      if ((((bitmap[pcr >> 3] as number) >> (pcr & 7)) & 1) === 1) pcrs.push(pcr);
    }
    selections.push({ hash, pcrs });
  }
  return selections;
}

/** Reads a TPM's marshalled structure: integers big-endian, TPM2B with a 16-bit size. */
class TpmReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(
    bytes: Uint8Array,
    private readonly what: string,
  ) {
    this.bytes = plainBytes(bytes);
    if (this.bytes.length === 0) throw emptyInput(what);
    this.view = viewOf(this.bytes);
  }

  u8(): number {
    return this.view.getUint8(this.advance(1));
  }

  u16(): number {
    return this.view.getUint16(this.advance(2));
  }

  u32(): number {
    return this.view.getUint32(this.advance(4));
  }

  u64(): bigint {
    return this.view.getBigUint64(this.advance(8));
  }

  take(size: number): Uint8Array {
    const begin = this.advance(size);
    return this.bytes.subarray(begin, begin + size);
  }

  /** A TPM2B of at most `maximum` bytes. */
  sized(maximum: number): Uint8Array {
    const size = this.u16();
    if (size > maximum) throw this.refused('a size');
    return this.take(size);
  }

  finish(): void {
    if (this.at !== this.bytes.length) throw this.refused('trailing bytes');
  }

  refused(why: string): Error {
    return malformed(this.what, why);
  }

  private advance(size: number): number {
    const begin = this.at;
    if (size > this.bytes.length - begin) throw this.refused('truncated');
    this.at = begin + size;
    return begin;
  }
}
