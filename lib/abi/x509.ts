import { equalBytes, isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { PublicKey } from '../engine/engine.js';
import { contextTag, DerReader } from './der.js';
import { malformed } from './input.js';
import { certificateInputs } from './pem.js';
import {
  type AlternativeNames,
  type AuthorityInformation,
  type BasicConstraints,
  type Extension,
  type KeyUsage,
  readAlternativeNames,
  readAuthorityInformation,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readDistributionPoints,
  readExtendedKeyUsage,
  readExtensions,
  readKeyUsage,
  readSubjectKeyIdentifier,
} from './x509-extensions.js';
import { readPublicKey, readSignatureAlgorithm, type SignatureAlgorithm } from './x509-key.js';
import { type DistinguishedName, readName } from './x509-name.js';
import { readTime } from './x509-time.js';

/** An X.509 certificate (RFC 5280) as it says about itself: nothing in here is verified. All bytes are views. */
export interface Certificate {
  /** The whole certificate, without padding. */
  readonly der: Uint8Array;
  /** TBSCertificate: what the signature covers. */
  readonly tbs: Uint8Array;
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
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** As in the certificate: ECDSA signatures are DER here, see `rawEcdsaSignature`. */
  readonly signature: Uint8Array;
  /** By OID. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** Object identifiers. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAlternativeNames?: AlternativeNames;
  readonly authorityKeyIdentifier?: Uint8Array;
  readonly subjectKeyIdentifier?: Uint8Array;
  readonly crlDistributionPoints: readonly string[];
  readonly authorityInformation?: AuthorityInformation;
  /** Name constraints are there: whoever builds a path evaluates them or refuses the certificate. */
  readonly hasNameConstraints: boolean;
  /** Critical extensions that nothing here understands: a verifier must refuse the certificate (RFC 5280 section 4.2). */
  readonly unknownCritical: readonly string[];
}

export const ExtensionOid = /* @__PURE__ */ Object.freeze({
  SUBJECT_KEY_IDENTIFIER: '2.5.29.14',
  KEY_USAGE: '2.5.29.15',
  SUBJECT_ALTERNATIVE_NAME: '2.5.29.17',
  BASIC_CONSTRAINTS: '2.5.29.19',
  NAME_CONSTRAINTS: '2.5.29.30',
  CRL_DISTRIBUTION_POINTS: '2.5.29.31',
  AUTHORITY_KEY_IDENTIFIER: '2.5.29.35',
  EXTENDED_KEY_USAGE: '2.5.29.37',
  AUTHORITY_INFORMATION_ACCESS: '1.3.6.1.5.5.7.1.1',
});
const UNDERSTOOD: ReadonlySet<string> = /* @__PURE__ */ new Set(/* @__PURE__ */ Object.values(ExtensionOid));

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
  const element = outer.read(0x30);
  if (padding ? !isZero(view.subarray(element.encoded.length)) : !outer.done) {
    throw malformed(STRUCTURE, 'trailing bytes');
  }
  const certificate = outer.inside(element);
  const tbsElement = certificate.read(0x30);
  const signatureAlgorithm = readSignatureAlgorithm(certificate);
  const signature = certificate.octets();
  certificate.end();
  const tbs = readTbs(certificate.inside(tbsElement));
  if (!equalBytes(tbs.algorithm.raw, signatureAlgorithm.raw)) throw malformed(STRUCTURE, 'two signature algorithms');
  const { algorithm: _, ...fields } = tbs;
  return { der: element.encoded, tbs: tbsElement.encoded, signatureAlgorithm, signature, ...fields };
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

function readTbs(tbs: DerReader) {
  const version = readVersion(tbs);
  const serial = tbs.unsigned(MAXIMUM_SERIAL);
  const algorithm = readSignatureAlgorithm(tbs);
  const issuer = readName(tbs);
  const validity = tbs.enter();
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  validity.end();
  const subject = readName(tbs);
  const { spki, key } = readPublicKey(tbs);
  // issuerUniqueID and subjectUniqueID: obsolete, of no use to anyone, but not to be mistaken for extensions.
  for (const number of [1, 2]) {
    if (tbs.optional(contextTag(number, 'primitive')) !== undefined && version === 1) throw tbs.fault('a unique id');
  }
  const list = tbs.enterOptional(contextTag(3, 'constructed'));
  tbs.end();
  if (list !== undefined && version !== 3) throw tbs.fault(`extensions in version ${version}`);
  const extensions = list === undefined ? new Map<string, Extension>() : readExtensions(list.enter());
  list?.end();
  return {
    version,
    serial,
    algorithm,
    issuer,
    notBefore,
    notAfter,
    subject,
    spki,
    ...(key === undefined ? {} : { publicKey: key }),
    extensions,
    ...understood(extensions),
  };
}

function readVersion(tbs: DerReader): 1 | 2 | 3 {
  const explicit = tbs.enterOptional(contextTag(0, 'constructed'));
  if (explicit === undefined) return 1;
  const value = explicit.small(2);
  explicit.end();
  if (value === 0) throw tbs.fault('a default that is written');
  return value === 1 ? 2 : 3;
}

function understood(extensions: ReadonlyMap<string, Extension>) {
  const value = <Result>(oid: string, read: (value: Uint8Array, structure: string) => Result): Result | undefined => {
    const extension = extensions.get(oid);
    return extension === undefined ? undefined : read(extension.value, STRUCTURE);
  };
  const unknownCritical: string[] = [];
  for (const [oid, { critical }] of extensions) if (critical && !UNDERSTOOD.has(oid)) unknownCritical.push(oid);
  return defined({
    basicConstraints: value(ExtensionOid.BASIC_CONSTRAINTS, readBasicConstraints),
    keyUsage: value(ExtensionOid.KEY_USAGE, readKeyUsage),
    extendedKeyUsage: value(ExtensionOid.EXTENDED_KEY_USAGE, readExtendedKeyUsage),
    subjectAlternativeNames: value(ExtensionOid.SUBJECT_ALTERNATIVE_NAME, readAlternativeNames),
    authorityKeyIdentifier: value(ExtensionOid.AUTHORITY_KEY_IDENTIFIER, readAuthorityKeyIdentifier),
    subjectKeyIdentifier: value(ExtensionOid.SUBJECT_KEY_IDENTIFIER, readSubjectKeyIdentifier),
    crlDistributionPoints: value(ExtensionOid.CRL_DISTRIBUTION_POINTS, readDistributionPoints) ?? [],
    authorityInformation: value(ExtensionOid.AUTHORITY_INFORMATION_ACCESS, readAuthorityInformation),
    hasNameConstraints: extensions.has(ExtensionOid.NAME_CONSTRAINTS),
    unknownCritical,
  });
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The members that are not undefined: `exactOptionalPropertyTypes` has no undefined in optional members. */
function defined<T extends object>(members: T): Defined<T> {
  const found: Partial<T> = {};
  for (const name of Object.keys(members) as (keyof T)[]) {
    if (members[name] !== undefined) found[name] = members[name];
  }
  return found as unknown as Defined<T>;
}

/** CA:TRUE and, where key usage is there, keyCertSign. Version 1 certificates, which say nothing, are not CAs. */
export function isCertificateAuthority(certificate: Certificate): boolean {
  return (
    certificate.basicConstraints?.ca === true &&
    (certificate.keyUsage === undefined || certificate.keyUsage.has('keyCertSign'))
  );
}

/** Whether the certificate names the other as its issuer: names equal byte for byte. */
export function namesIssuer(certificate: Certificate, issuer: Certificate): boolean {
  return equalBytes(certificate.issuer.raw, issuer.subject.raw);
}
