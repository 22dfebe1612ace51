import { equalBytes, isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { PublicKey } from '../engine/engine.js';
import { DerReader } from './der.js';
import { CONTEXT, CONTEXT_CONSTRUCTED } from './der-tags.js';
import { malformed } from './input.js';
import { certificateInputs } from './pem.js';
import {
  type BasicConstraints,
  type Extension,
  KEY_CERT_SIGN,
  readBasicConstraints,
  readExtendedKeyUsage,
  readExtensions,
  readKeyUsage,
  SUBJECT_ALTERNATIVE_NAME,
} from './x509-extensions.js';
import { passesAlgorithm, readPublicKey, readSigned, type Signed } from './x509-key.js';
import { type DistinguishedName, readName } from './x509-name.js';
import { readTime } from './x509-time.js';

/** An X.509 certificate (RFC 5280) as it says about itself: nothing in here is verified. All bytes are views. */
export interface Certificate extends Signed {
  readonly version: 1 | 2 | 3;
  /** Big-endian, 1 to 20 bytes; AMD's VCEKs have 0. */
  readonly serial: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Undefined for a kind of key that this package does not verify with. */
  readonly publicKey?: PublicKey;
  /** By OID. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly basicConstraints?: BasicConstraints;
  /** Bits: {@link DIGITAL_SIGNATURE}, {@link KEY_CERT_SIGN}, {@link CRL_SIGN}. */
  readonly keyUsage?: number;
  /** Object identifiers. */
  readonly extendedKeyUsage?: readonly string[];
  /** Name constraints are there: whoever builds a path evaluates them or refuses the certificate. */
  readonly hasNameConstraints: boolean;
  /** Critical extensions that nothing here understands: a verifier must refuse the certificate (RFC 5280 section 4.2). */
  readonly unknownCritical: readonly string[];
}

// Object identifiers of the extensions that something here depends on; any other that is critical is not understood.
const KEY_USAGE = '2.5.29.15';
const BASIC_CONSTRAINTS = '2.5.29.19';
/** Evaluated by whoever builds a path. */
export const NAME_CONSTRAINTS = '2.5.29.30';
const EXTENDED_KEY_USAGE = '2.5.29.37';

const STRUCTURE = 'certificate';
const MAXIMUM_CERTIFICATE = 64 * 1024;
const MAXIMUM_SERIAL = 20;

/**
 * Reads one DER certificate. With `padding`, zeros may follow, as in a TPM's NV index.
 *
 * @throws {AttestationError} 21 for nothing, 20 for anything malformed.
 */
export function parseCertificate(bytes: Uint8Array, { padding = false }: { padding?: boolean } = {}): Certificate {
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isZero(view)) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the certificate is empty');
  if (view.length > MAXIMUM_CERTIFICATE) throw malformed(STRUCTURE, `larger than ${MAXIMUM_CERTIFICATE} bytes`);
  const outer = new DerReader(view, STRUCTURE);
  const [tbs, signed] = readSigned(outer);
  if (padding ? !isZero(view, outer.at) : !outer.done) throw malformed(STRUCTURE, 'trailing bytes');
  return readTbs(tbs, signed);
}

/**
 * The certificates of DER or PEM input (1 to 16), each read by {@link parseCertificate}.
 *
 * @throws {AttestationError} 21 for nothing, 20 for anything malformed.
 */
export function parseCertificates(input: Uint8Array | string): Certificate[] {
  if (input.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the certificate is empty');
  return certificateInputs(input).map((der) => parseCertificate(der));
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

// What is signed is spread last: a literal that goes on behind a spread took a quarter of the time that a certificate takes.
function readTbs(tbs: DerReader, signed: Signed): Certificate {
  const version = readVersion(tbs);
  const serial = tbs.unsigned(MAXIMUM_SERIAL);
  const isSameAlgorithm = passesAlgorithm(tbs, signed.signatureAlgorithm);
  const issuer = readName(tbs);
  const validity = tbs.enter();
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  validity.end();
  const subject = readName(tbs);
  const { spki, key } = readPublicKey(tbs);
  // issuerUniqueID and subjectUniqueID: obsolete, of no use to anyone, but not to be mistaken for extensions.
  for (const number of [1, 2]) {
    if (tbs.nextTag !== (CONTEXT | number)) continue;
    tbs.pass();
    if (version === 1) throw tbs.fault('a unique id');
  }
  const list = tbs.enterOptional(CONTEXT_CONSTRUCTED | 3);
  tbs.end();
  if (list !== undefined && version !== 3) throw tbs.fault(`extensions in version ${version}`);
  const extensions = list === undefined ? new Map<string, Extension>() : readExtensions(list.enter());
  list?.end();
  const unknown: string[] = [];
  const certificate: Writable<Certificate> = {
    version,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    extensions,
    hasNameConstraints: false,
    unknownCritical: unknown,
    ...signed,
  };
  if (key !== undefined) certificate.publicKey = key;
  for (const [oid, { critical, value }] of extensions) {
    if (!understand(certificate, oid, value) && critical) unknown.push(oid);
  }
  if (!isSameAlgorithm) throw malformed(STRUCTURE, 'two signature algorithms');
  return certificate;
}

function readVersion(tbs: DerReader): 1 | 2 | 3 {
  const explicit = tbs.enterOptional(CONTEXT_CONSTRUCTED | 0);
  if (explicit === undefined) return 1;
  const value = explicit.small(2);
  explicit.end();
  if (value === 0) throw tbs.fault('a written default');
  return value === 1 ? 2 : 3;
}

/** Reads an extension; false for one that nothing here understands. */
function understand(certificate: Writable<Certificate>, oid: string, value: Uint8Array): boolean {
  switch (oid) {
    case BASIC_CONSTRAINTS:
      certificate.basicConstraints = readBasicConstraints(value, STRUCTURE);
      break;
    case KEY_USAGE:
      certificate.keyUsage = readKeyUsage(value, STRUCTURE);
      break;
    case EXTENDED_KEY_USAGE:
      certificate.extendedKeyUsage = readExtendedKeyUsage(value, STRUCTURE);
      break;
    case SUBJECT_ALTERNATIVE_NAME:
      // See alternativeNames.
      break;
    case NAME_CONSTRAINTS:
      certificate.hasNameConstraints = true;
      break;
    default:
      return false;
  }
  return true;
}

/** CA:TRUE and, where key usage is there, keyCertSign. Version 1 certificates, which say nothing, are not CAs. */
export function isCertificateAuthority(certificate: Pick<Certificate, 'basicConstraints' | 'keyUsage'>): boolean {
  return certificate.basicConstraints?.ca === true && ((certificate.keyUsage ?? KEY_CERT_SIGN) & KEY_CERT_SIGN) !== 0;
}

/** Whether the certificate names the other as its issuer: names equal byte for byte. */
export function namesIssuer(certificate: Pick<Certificate, 'issuer'>, issuer: Pick<Certificate, 'subject'>): boolean {
  return equalBytes(certificate.issuer.raw, issuer.subject.raw);
}
