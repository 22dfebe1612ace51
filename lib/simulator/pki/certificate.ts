import { constants, createHash, type KeyObject, sign } from 'node:crypto';
import * as der from './der.js';

/** Attribute types of a distinguished name that the simulated authorities use. */
const attributeTypes = {
  OU: '2.5.4.11',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  CN: '2.5.4.3',
} as const;

/** A distinguished name, most general or not: the order of the members is the order in the certificate. */
export type DistinguishedName = Partial<Record<keyof typeof attributeTypes, string>>;

export type SignatureAlgorithm = 'rsa-sha256' | 'rsa-pss-sha384' | 'ecdsa-sha256';

export interface CertificateExtension {
  oid: string;
  critical?: boolean;
  /** Content of extnValue, without the OCTET STRING around it. */
  value: Uint8Array;
}

export interface CertificateFields {
  subject: DistinguishedName;
  issuer: DistinguishedName;
  publicKey: KeyObject;
  /** Key of the issuer. */
  signingKey: KeyObject;
  signatureAlgorithm: SignatureAlgorithm;
  serialNumber: number | bigint | Uint8Array;
  notBefore: Date;
  notAfter: Date;
  extensions?: readonly CertificateExtension[];
}

/** An X.509 certificate (RFC 5280) in both encodings. */
export interface Certificate {
  der: Buffer;
  pem: string;
}

const sha384Identifier = der.sequence(der.objectIdentifier('2.16.840.1.101.3.4.2.2'), der.nullValue());

const algorithmIdentifiers: Record<SignatureAlgorithm, Buffer> = {
  'rsa-sha256': der.sequence(der.objectIdentifier('1.2.840.113549.1.1.11'), der.nullValue()),
  // SHA-384, MGF1 with SHA-384, salt of 48 bytes: what AMD's authorities use.
  'rsa-pss-sha384': der.sequence(
    der.objectIdentifier('1.2.840.113549.1.1.10'),
    der.sequence(
      der.contextConstructed(0, sha384Identifier),
      der.contextConstructed(1, der.sequence(der.objectIdentifier('1.2.840.113549.1.1.8'), sha384Identifier)),
      der.contextConstructed(2, der.integer(48)),
    ),
  ),
  'ecdsa-sha256': der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2')),
};

function signTbs(tbs: Buffer, algorithm: SignatureAlgorithm, key: KeyObject): Buffer {
  if (algorithm === 'rsa-pss-sha384') {
    return sign('sha384', tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 });
  }
  return sign('sha256', tbs, key);
}

/** Wraps a to-be-signed structure with its algorithm and signature; certificates and revocation lists alike. */
export function signStructure(tbs: Buffer, algorithm: SignatureAlgorithm, key: KeyObject): Buffer {
  return der.sequence(tbs, algorithmIdentifiers[algorithm], der.bitString(signTbs(tbs, algorithm, key)));
}

export const algorithmIdentifier = (algorithm: SignatureAlgorithm): Buffer => algorithmIdentifiers[algorithm];

/** Name as DER; countries are PrintableString (RFC 5280, appendix A), everything else is UTF8String. */
export function encodeName(name: DistinguishedName): Buffer {
  const attributes = Object.entries(name) as [keyof typeof attributeTypes, string][];
  return der.sequence(
    ...attributes.map(([type, value]) =>
      der.set(
        der.sequence(
          der.objectIdentifier(attributeTypes[type]),
          type === 'C' ? der.printableString(value) : der.utf8String(value),
        ),
      ),
    ),
  );
}

export function encodeExtension({ oid, critical, value }: CertificateExtension): Buffer {
  return der.sequence(der.objectIdentifier(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

/** Issues one X.509 v3 certificate. Nothing is checked: tests need wrong ones as much as right ones. */
export function issueCertificate(fields: CertificateFields): Certificate {
  const { extensions = [] } = fields;
  const tbs = der.sequence(
    der.contextConstructed(0, der.integer(2)),
    der.integer(fields.serialNumber),
    algorithmIdentifier(fields.signatureAlgorithm),
    encodeName(fields.issuer),
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    encodeName(fields.subject),
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der.contextConstructed(3, der.sequence(...extensions.map(encodeExtension)))] : []),
  );
  const bytes = signStructure(tbs, fields.signatureAlgorithm, fields.signingKey);
  return { der: bytes, pem: der.pem('CERTIFICATE', bytes) };
}

/** SHA-1 of the public key: the usual key identifier (RFC 5280, 4.2.1.2). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

export const subjectKeyIdentifier = (publicKey: KeyObject): CertificateExtension => ({
  oid: '2.5.29.14',
  value: der.octetString(keyIdentifier(publicKey)),
});

export const authorityKeyIdentifier = (publicKey: KeyObject): CertificateExtension => ({
  oid: '2.5.29.35',
  value: der.sequence(der.contextPrimitive(0, keyIdentifier(publicKey))),
});

export const basicConstraints = (ca: boolean, pathLength?: number): CertificateExtension => ({
  oid: '2.5.29.19',
  critical: true,
  value: der.sequence(
    ...(ca ? [der.boolean(true)] : []),
    ...(pathLength === undefined ? [] : [der.integer(pathLength)]),
  ),
});

const keyUsageBits = { digitalSignature: 0, nonRepudiation: 1, keyCertSign: 5, cRLSign: 6 } as const;

export function keyUsage(...usages: (keyof typeof keyUsageBits)[]): CertificateExtension {
  let byte = 0;
  for (const usage of usages) byte |= 0x80 >> keyUsageBits[usage];
  const unusedBits = Math.log2(byte & -byte);
  return { oid: '2.5.29.15', critical: true, value: der.bitString(Uint8Array.of(byte), unusedBits) };
}

export const crlDistributionPoint = (url: string): CertificateExtension => ({
  oid: '2.5.29.31',
  value: der.sequence(
    der.sequence(
      der.contextConstructed(0, der.contextConstructed(0, der.contextPrimitive(6, Buffer.from(url, 'ascii')))),
    ),
  ),
});

/** subjectAltName with DNS names and IPv4 addresses. */
export const subjectAlternativeName = (dnsNames: string[], addresses: string[] = []): CertificateExtension => ({
  oid: '2.5.29.17',
  value: der.sequence(
    ...dnsNames.map((name) => der.contextPrimitive(2, Buffer.from(name, 'ascii'))),
    ...addresses.map((address) => der.contextPrimitive(7, Uint8Array.from(address.split('.').map(Number)))),
  ),
});

export const extendedKeyUsage = (...purposes: string[]): CertificateExtension => ({
  oid: '2.5.29.37',
  value: der.sequence(...purposes.map((purpose) => der.objectIdentifier(purpose))),
});

/** Where the issuer's certificate is (id-ad-caIssuers). */
export const authorityInformationAccess = (url: string): CertificateExtension => ({
  oid: '1.3.6.1.5.5.7.1.1',
  value: der.sequence(
    der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.48.2'), der.contextPrimitive(6, Buffer.from(url, 'ascii'))),
  ),
});
