import { native } from '../native.js';
import { parsing, plainBytes } from './native-parse.js';

/** TPM_ST_ATTEST_CERTIFY and TPM_ST_ATTEST_QUOTE. */
export const TpmAttestType = Object.freeze({ CERTIFY: 0x8017, QUOTE: 0x8018 });
/** TPM_GENERATED_VALUE: no key restricted to signing signs other data that begins with it. */
export const TPM_GENERATED_VALUE = 0xff544347;
/** TPM_ALG_ID of the PCR banks. */
export const TpmHash = Object.freeze({ SHA1: 0x0004, SHA256: 0x000b, SHA384: 0x000c, SHA512: 0x000d });

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
  quote?: { pcrSelections: { hash: number; pcrs: number[] }[]; pcrDigest: Uint8Array };
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
  return parsing(() => native().parseTpmsAttest(plainBytes(bytes)));
}

/**
 * Decodes a TPM2B_PUBLIC, with its 16-bit size in front, of an RSA key.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed or another type of key.
 */
export function parseTpm2bPublic(bytes: Uint8Array): TpmPublic {
  return parsing(() => native().parseTpm2bPublic(plainBytes(bytes)));
}
