import { copyBytes } from '../base/bytes.js';
import type { EcCurve, PublicKey, SignatureScheme } from '../engine/engine.js';
import { type DerReader, DerReader as Reader } from './der.js';
import { CONTEXT_CONSTRUCTED, NULL, OID, SEQUENCE } from './der-tags.js';
import { malformed } from './input.js';
import { recently } from './recent-bytes.js';

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';

const CURVES: Readonly<Record<string, EcCurve>> = {
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
};

type SignatureHash = SignatureScheme['hash'];

const HASH_NAMES = ['SHA-256', 'SHA-384', 'SHA-512'] as const satisfies readonly SignatureHash[];

/** Algorithms whose identifiers differ in the last number, which goes up with the hash. */
/* @__NO_SIDE_EFFECTS__ */ function ofEachHash<T>(
  arc: string,
  first: number,
  make: (hash: SignatureHash) => T,
): Record<string, T> {
  return Object.fromEntries(HASH_NAMES.map((hash, index) => [`${arc}.${first + index}`, make(hash)]));
}

const HASHES = ofEachHash('2.16.840.1.101.3.4.2', 1, (hash) => hash);
const SCHEMES: Readonly<Record<string, Exclude<SignatureScheme, { scheme: 'rsa-pss' }>>> =
  /* @__PURE__ */ Object.assign(
    ofEachHash('1.2.840.113549.1.1', 11, (hash) => ({ scheme: 'rsa-pkcs1', hash }) as const),
    ofEachHash('1.2.840.10045.4.3', 2, (hash) => ({ scheme: 'ecdsa', hash }) as const),
  );

/** Bytes in a coordinate of a curve's point, and in r and s. */
export function fieldSize(curve: EcCurve): number {
  return curve === 'P-256' ? 32 : curve === 'P-384' ? 48 : 66;
}

/** Largest RSA modulus that is read, 8192 bits. */
const MAXIMUM_MODULUS = 1024;

export interface SubjectPublicKey {
  /** DER SubjectPublicKeyInfo: what roots are pinned by. */
  readonly spki: Uint8Array;
  /** Undefined for a kind of key that this package does not verify with (Ed25519, compressed points, other curves). */
  readonly key?: PublicKey;
}

/** SubjectPublicKeyInfo of RFC 5280 section 4.1.2.7. */
export function readPublicKey(reader: DerReader): SubjectPublicKey {
  const start = reader.at;
  const info = reader.enter();
  const spki = reader.bytes.subarray(start, reader.at);
  const algorithm = info.enter();
  const type = algorithm.oid();
  const parameters = algorithm.done ? undefined : algorithm.single();
  const bits = info.octets();
  info.end();
  if (type === RSA_ENCRYPTION) {
    if (parameters === undefined || !isNull(parameters)) throw reader.fault('parameters of a key');
    return { spki, key: readRsaKey(bits, reader.structure) };
  }
  if (type !== EC_PUBLIC_KEY || parameters?.nextTag !== OID) return { spki };
  const curve = CURVES[parameters.oid()];
  // Only the uncompressed point (04): RFC 5480 lets implementations leave the others out.
  if (curve === undefined || bits[0] !== 4) return { spki };
  const size = fieldSize(curve);
  if (bits.length !== 1 + 2 * size) throw reader.fault('a point');
  const key = { type: 'ec', curve, x: bits.subarray(1, 1 + size), y: bits.subarray(1 + size) } as const;
  return { spki, key };
}

function readRsaKey(bits: Uint8Array, structure: string): PublicKey {
  const outer = new Reader(bits, structure);
  const key = outer.enter();
  outer.end();
  const n = key.unsigned(MAXIMUM_MODULUS);
  const e = key.unsigned(MAXIMUM_MODULUS);
  key.end();
  return { type: 'rsa', n, e };
}

export interface SignatureAlgorithm {
  readonly oid: string;
  /** AlgorithmIdentifier as received. */
  readonly raw: Uint8Array;
  /** Undefined for an algorithm that is not verified here: SHA-1, Ed25519, PSS with unequal hashes. */
  readonly scheme?: SignatureScheme;
}

/** AlgorithmIdentifier of a signature (RFC 5280 section 4.1.1.2, RFC 4055, RFC 5758). */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const start = reader.at;
  reader.pass(SEQUENCE);
  return algorithmOf(reader.bytes, reader.structure, start, reader.at);
}

/** What is common to certificates and revocation lists (RFC 5280 sections 4.1.1 and 5.1.1). */
export interface Signed {
  /** All of it, without padding. */
  readonly der: Uint8Array;
  /** TBSCertificate or TBSCertList: what the signature covers. */
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** As it is written there: ECDSA signatures are DER here, see {@link rawEcdsaSignature}. */
  readonly signature: Uint8Array;
}

/** Reads what was signed and by what, and hands on the reader of the former. */
export function readSigned(outer: DerReader): [tbs: DerReader, signed: Signed] {
  const { bytes, at } = outer;
  const signed = outer.enter();
  const start = signed.at;
  const inner = signed.enter();
  const tbs = bytes.subarray(start, signed.at);
  const signatureAlgorithm = readSignatureAlgorithm(signed);
  const signature = signed.octets();
  signed.end();
  return [inner, { der: bytes.subarray(at, outer.at), tbs, signatureAlgorithm, signature }];
}

/** Passes the algorithm once more, as certificates and lists repeat it; whether it is the same one. */
export function passesAlgorithm(reader: DerReader, algorithm: SignatureAlgorithm): boolean {
  if (reader.passes(algorithm.raw)) return true;
  // What is wrong with another one is refused first.
  readSignatureAlgorithm(reader);
  return false;
}

const algorithmOf = recently<SignatureAlgorithm>(64, (bytes, structure, start, end) => {
  const raw = copyBytes(bytes.subarray(start, end));
  const algorithm = new Reader(raw, structure).enter();
  const oid = algorithm.oid();
  const parameters = algorithm.done ? undefined : algorithm.single();
  const known = SCHEMES[oid];
  if (known !== undefined) {
    // Of RSA: RFC 4055 section 5 writes NULL; some leave it out.
    const isNone = parameters === undefined || (known.scheme === 'rsa-pkcs1' && isNull(parameters));
    if (!isNone) throw algorithm.fault('parameters of a signature');
    return { oid, raw, scheme: known };
  }
  if (oid !== RSASSA_PSS || parameters?.nextTag !== SEQUENCE) return { oid, raw };
  const pss = readPssParameters(parameters.enter());
  return pss === undefined ? { oid, raw } : { oid, raw, scheme: pss };
});

// RSASSA-PSS-params of RFC 4055 section 3.1. The defaults are SHA-1's, which is not verified here.
function readPssParameters(parameters: DerReader): SignatureScheme | undefined {
  const hash = readHash(parameters.enterOptional(CONTEXT_CONSTRUCTED | 0));
  let maskHash: SignatureHash | undefined;
  const mask = parameters.enterOptional(CONTEXT_CONSTRUCTED | 1);
  if (mask !== undefined) {
    const generator = mask.enter();
    mask.end();
    if (generator.oid() !== MGF1) return undefined;
    maskHash = readHash(generator);
  }
  const salt = parameters.enterOptional(CONTEXT_CONSTRUCTED | 2);
  const saltLength = salt?.small(MAXIMUM_MODULUS) ?? 20;
  salt?.end();
  const trailer = parameters.enterOptional(CONTEXT_CONSTRUCTED | 3);
  const trailerField = trailer?.small(0xff) ?? 1;
  trailer?.end();
  parameters.end();
  if (hash === undefined || hash !== maskHash || trailerField !== 1) return undefined;
  return { scheme: 'rsa-pss', hash, saltLength };
}

function readHash(reader: DerReader | undefined): SignatureHash | undefined {
  if (reader === undefined) return undefined;
  const algorithm = reader.enter();
  reader.end();
  const oid = algorithm.oid();
  if (!algorithm.done && !isNull(algorithm.single())) throw reader.fault('parameters of a hash');
  return HASHES[oid];
}

/** Of a reader's one element. */
function isNull(reader: DerReader): boolean {
  return reader.nextTag === NULL && reader.pass() === reader.at;
}

/**
 * ECDSA-Sig-Value (RFC 3279 section 2.2.3) as r ‖ s, each `size` bytes. One signature has one encoding: integers in their
 * shortest form, nothing behind them.
 *
 * @throws {AttestationError} 20
 */
export function rawEcdsaSignature(der: Uint8Array, size: number): Uint8Array {
  const outer = new Reader(der, 'ECDSA signature');
  const values = outer.enter();
  outer.end();
  const raw = new Uint8Array(2 * size);
  for (const end of [size, 2 * size]) {
    const value = values.unsigned(size);
    raw.set(value, end - value.length);
  }
  if (!values.done) throw malformed('ECDSA signature', 'trailing bytes');
  return raw;
}
