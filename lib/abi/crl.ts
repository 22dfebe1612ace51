import { equalBytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';
import { contextTag, DerReader, Tag } from './der.js';
import { malformed } from './input.js';
import { splitPem } from './pem.js';
import { type Extension, readAuthorityKeyIdentifier, readExtensions } from './x509-extensions.js';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './x509-key.js';
import { type DistinguishedName, readName } from './x509-name.js';
import { isTime, readTime } from './x509-time.js';

/** A certificate revocation list (RFC 5280 section 5). Nothing in here is verified. */
export interface RevocationList {
  readonly der: Uint8Array;
  /** TBSCertList: what the signature covers. */
  readonly tbs: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Date;
  /** Absent: the list never ends, which a verifier refuses, since it would hide every later revocation. */
  readonly nextUpdate?: Date;
  /** Serial numbers in lower-case hex, as `hex(certificate.serial)` writes them. */
  readonly revoked: ReadonlySet<string>;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly authorityKeyIdentifier?: Uint8Array;
  /** Big-endian, where the list is numbered. */
  readonly number?: Uint8Array;
  /** Critical extensions of the list or of an entry that nothing here understands (delta lists, partitions): refuse. */
  readonly unknownCritical: readonly string[];
}

const STRUCTURE = 'revocation list';
const MAXIMUM_LIST = 4 * 1024 * 1024;
const MAXIMUM_SERIAL = 20;
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';
const CRL_NUMBER = '2.5.29.20';
const REASON_CODE = '2.5.29.21';
const REMOVE_FROM_CRL = 8;

/**
 * Reads one revocation list, DER or PEM, of at most 4 MiB.
 *
 * @throws {AttestationError} 21 for nothing, 20 for anything malformed.
 */
export function parseRevocationList(input: Uint8Array | string): RevocationList {
  if (input.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the revocation list is empty');
  if (input.length > 2 * MAXIMUM_LIST) throw malformed(STRUCTURE, 'larger than 4 MiB');
  const isDer = typeof input !== 'string' && input[0] === Tag.SEQUENCE;
  const bytes = isDer ? input : onlyBlock(input);
  if (bytes.length > MAXIMUM_LIST) throw malformed(STRUCTURE, 'larger than 4 MiB');
  const outer = new DerReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), STRUCTURE);
  const element = outer.read(Tag.SEQUENCE);
  outer.end();
  const list = outer.inside(element);
  const tbsElement = list.read(Tag.SEQUENCE);
  const signatureAlgorithm = readSignatureAlgorithm(list);
  const signature = list.octets();
  list.end();
  const { algorithm, ...fields } = readTbs(list.inside(tbsElement));
  if (!equalBytes(algorithm.raw, signatureAlgorithm.raw)) throw malformed(STRUCTURE, 'two signature algorithms');
  return { der: element.encoded, tbs: tbsElement.encoded, signatureAlgorithm, signature, ...fields };
}

function onlyBlock(input: Uint8Array | string): Uint8Array {
  const [block, ...more] = splitPem(input, 'X509 CRL', 2 * MAXIMUM_LIST);
  if (block === undefined || more.length > 0) throw malformed(STRUCTURE, 'more than one in one text');
  return block;
}

function readTbs(tbs: DerReader) {
  const version = tbs.nextTag === Tag.INTEGER ? tbs.small(1) + 1 : 1;
  const algorithm = readSignatureAlgorithm(tbs);
  const issuer = readName(tbs);
  const thisUpdate = readTime(tbs);
  const nextUpdate = isTime(tbs.nextTag) ? readTime(tbs) : undefined;
  const unknownCritical = new Set<string>();
  const entries = tbs.enterOptional(Tag.SEQUENCE);
  const revoked = entries === undefined ? new Set<string>() : readEntries(entries, unknownCritical);
  const list = tbs.enterOptional(contextTag(0, 'constructed'));
  tbs.end();
  if (list !== undefined && version !== 2) throw tbs.fault('extensions in version 1');
  const extensions = list === undefined ? new Map<string, Extension>() : readExtensions(list.enter());
  list?.end();
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== AUTHORITY_KEY_IDENTIFIER && oid !== CRL_NUMBER) unknownCritical.add(oid);
  }
  const identifier = extensions.get(AUTHORITY_KEY_IDENTIFIER);
  const keyIdentifier = identifier && readAuthorityKeyIdentifier(identifier.value, STRUCTURE);
  const number = extensions.get(CRL_NUMBER);
  return {
    algorithm,
    issuer,
    thisUpdate,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    revoked,
    ...(keyIdentifier === undefined ? {} : { authorityKeyIdentifier: keyIdentifier }),
    ...(number === undefined ? {} : { number: new DerReader(number.value, STRUCTURE).unsigned(MAXIMUM_SERIAL) }),
    unknownCritical: [...unknownCritical],
  };
}

function readEntries(entries: DerReader, unknownCritical: Set<string>): Set<string> {
  const revoked = new Set<string>();
  // Most entries say the same of their certificate as the one before, a reason: that is read once.
  let seen: Uint8Array | undefined;
  while (!entries.done) {
    const entry = entries.enter();
    const serial = entry.unsigned(MAXIMUM_SERIAL);
    // When it was revoked makes no difference.
    if (!isTime(entry.skip())) throw entry.fault('a time');
    if (!entry.done) {
      const extensions = entry.read(Tag.SEQUENCE);
      const { encoded } = extensions;
      if (seen === undefined || !equalBytes(seen, encoded)) {
        readEntryExtensions(entry.inside(extensions), unknownCritical);
        seen = encoded;
      }
    }
    entry.end();
    revoked.add(hex(serial));
  }
  return revoked;
}

function readEntryExtensions(reader: DerReader, unknownCritical: Set<string>): void {
  const extensions = readExtensions(reader);
  for (const [oid, { critical }] of extensions) if (critical && oid !== REASON_CODE) unknownCritical.add(oid);
  const reason = extensions.get(REASON_CODE);
  // Only delta lists may take a revocation back; entered in a whole list it must not hide one.
  if (reason !== undefined && new DerReader(reason.value, STRUCTURE).small(10, Tag.ENUMERATED) === REMOVE_FROM_CRL) {
    throw reader.fault('removeFromCRL outside a delta list');
  }
}
