import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { malformed } from '../../../lib/simulator/service/refusal.js';
import { Algorithm, StructureTag, tpmGenerated } from '../../../lib/simulator/tpm/constants.js';
import { TpmReader, TpmWriter } from '../../../lib/simulator/tpm/encoding.js';

/** The head that all TPMS_ATTEST structures share. */
interface AttestHead {
  qualifiedSigner: Buffer;
  extraData: Buffer;
  resetCount: number;
  restartCount: number;
}

export interface Quote extends AttestHead {
  /** PCRs of the SHA-256 bank, ascending. */
  pcrs: number[];
  pcrDigest: Buffer;
}

export interface Certification extends AttestHead {
  name: Buffer;
  qualifiedName: Buffer;
}

/** An RSA public area. */
export interface RsaPublic {
  key: KeyObject;
  /** TPM name: algorithm, then SHA-256 of the public area. */
  name: Buffer;
  attributes: number;
  authPolicy: Buffer;
  symmetric: number;
  scheme: number;
  /** Hash of the scheme; undefined when it has none. */
  schemeHash: number | undefined;
  keyBits: number;
}

/** Turns the RangeErrors of a reader into a refusal that names the structure. */
function reading<T>(what: string, bytes: Buffer, read: (reader: TpmReader) => T): T {
  const reader = new TpmReader(bytes);
  try {
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof RangeError) throw malformed(`${what}: ${error.message}`);
    throw error;
  }
}

function attestHead(reader: TpmReader, what: string, type: number): AttestHead {
  if (reader.u32() !== tpmGenerated) throw malformed(`${what} was not made by a TPM (magic)`);
  const actual = reader.u16();
  if (actual !== type) throw malformed(`${what} has type 0x${actual.toString(16)}, not 0x${type.toString(16)}`);
  const qualifiedSigner = reader.sized();
  const extraData = reader.sized();
  reader.u64(); // clock
  const resetCount = reader.u32();
  const restartCount = reader.u32();
  reader.u8(); // safe
  reader.u64(); // firmwareVersion
  return { qualifiedSigner, extraData, resetCount, restartCount };
}

/** TPMS_ATTEST of TPM2_Quote; exactly one selection, of the SHA-256 bank. */
export function parseQuote(bytes: Buffer): Quote {
  return reading('PcrQuote', bytes, (reader) => {
    const head = attestHead(reader, 'PcrQuote', StructureTag.attestQuote);
    const selections = reader.u32();
    if (selections !== 1 || reader.u16() !== Algorithm.sha256) {
      throw malformed('PcrQuote does not select PCRs of the SHA-256 bank alone');
    }
    const bitmap = reader.bytes(reader.u8());
    const pcrs = Array.from({ length: bitmap.length * 8 }, (_, i) => i).filter(
      (i) => (bitmap[i >> 3] ?? 0) & (1 << (i & 7)),
    );
    return { ...head, pcrs, pcrDigest: reader.sized() };
  });
}

/** TPMS_ATTEST of TPM2_Certify. */
export function parseCertification(bytes: Buffer): Certification {
  return reading('EncKeyCertifyInfo', bytes, (reader) => {
    const head = attestHead(reader, 'EncKeyCertifyInfo', StructureTag.attestCertify);
    return { ...head, name: reader.sized(), qualifiedName: reader.sized() };
  });
}

/** TPM2B_PUBLIC of an RSA key with name algorithm SHA-256. */
export function parseRsaPublic(bytes: Buffer, what: string): RsaPublic {
  const area = reading(what, bytes, (reader) => reader.sized());
  return reading(what, area, (reader) => {
    if (reader.u16() !== Algorithm.rsa) throw malformed(`${what} is not an RSA key`);
    if (reader.u16() !== Algorithm.sha256) throw malformed(`${what} does not have SHA-256 as name algorithm`);
    const attributes = reader.u32();
    const authPolicy = reader.sized();
    const symmetric = reader.u16();
    if (symmetric !== Algorithm.null) reader.bytes(4);
    const scheme = reader.u16();
    const schemeHash = scheme === Algorithm.null ? undefined : reader.u16();
    const keyBits = reader.u16();
    const exponent = reader.u32();
    if (exponent !== 0 && exponent !== 65537) throw malformed(`${what} has exponent ${exponent}`);
    const modulus = reader.sized();
    if (modulus.length * 8 !== keyBits) throw malformed(`${what} has a modulus of ${modulus.length} bytes`);
    const key = createPublicKey({
      key: { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' },
      format: 'jwk',
    });
    const name = Buffer.concat([nameAlgorithm, createHash('sha256').update(area).digest()]);
    return { key, name, attributes, authPolicy, symmetric, scheme, schemeHash, keyBits };
  });
}

const nameAlgorithm = new TpmWriter().u16(Algorithm.sha256).toBuffer();

/** Qualified name of a primary key: of its hierarchy's handle and its own name (Part 1, 16). */
export function primaryQualifiedName(hierarchy: number, name: Buffer): Buffer {
  const parent = new TpmWriter().u32(hierarchy).toBuffer();
  return Buffer.concat([nameAlgorithm, createHash('sha256').update(parent).update(name).digest()]);
}
