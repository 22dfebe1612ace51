import type { KeyObject } from 'node:crypto';
import {
  algorithmIdentifier,
  type CertificateExtension,
  type DistinguishedName,
  encodeExtension,
  encodeName,
  type SignatureAlgorithm,
  signStructure,
} from './certificate.js';
import * as der from './der.js';

export interface RevocationListFields {
  issuer: DistinguishedName;
  signingKey: KeyObject;
  /** Default RSASSA-PSS with SHA-384, as AMD's. */
  signatureAlgorithm?: SignatureAlgorithm;
  thisUpdate: Date;
  nextUpdate: Date;
  /** Serial numbers of the revoked certificates. */
  revoked: readonly (number | bigint | Uint8Array)[];
  extensions?: readonly CertificateExtension[];
}

/** A version 2 certificate revocation list (RFC 5280, 5). */
export function issueRevocationList(fields: RevocationListFields): Buffer {
  const { signatureAlgorithm = 'rsa-pss-sha384', extensions = [] } = fields;
  const entries = fields.revoked.map((serial) => der.sequence(der.integer(serial), der.time(fields.thisUpdate)));
  const tbs = der.sequence(
    der.integer(1),
    algorithmIdentifier(signatureAlgorithm),
    encodeName(fields.issuer),
    der.time(fields.thisUpdate),
    der.time(fields.nextUpdate),
    ...(entries.length > 0 ? [der.sequence(...entries)] : []),
    ...(extensions.length > 0 ? [der.contextConstructed(0, der.sequence(...extensions.map(encodeExtension)))] : []),
  );
  return signStructure(tbs, signatureAlgorithm, fields.signingKey);
}

export const crlNumber = (number: number): CertificateExtension => ({ oid: '2.5.29.20', value: der.integer(number) });
