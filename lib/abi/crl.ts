import { holdsAt } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { DerReader } from './der.js';
import { CONTEXT_CONSTRUCTED, ENUMERATED, INTEGER, SEQUENCE } from './der-tags.js';
import { malformed } from './input.js';
import { splitPem } from './pem.js';
import { type Extension, readExtensions } from './x509-extensions.js';
import { passesAlgorithm, readSigned, type Signed } from './x509-key.js';
import { type DistinguishedName, readName } from './x509-name.js';
import { isTime, readTime } from './x509-time.js';

/** A certificate revocation list (RFC 5280 section 5). Nothing in here is verified. */
export interface RevocationList extends Signed {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Date;
  /** Absent: the list never ends, which a verifier refuses, since it would hide every later revocation. */
  readonly nextUpdate: Date | undefined;
  /** Start and end of each revoked serial number in `der`; see {@link isRevoked}. */
  readonly revoked: readonly number[];
  /** Critical extensions of the list or of an entry that nothing here understands (delta lists, partitions): refuse. */
  readonly unknownCritical: readonly string[];
}

const STRUCTURE = 'revocation list';
const MAXIMUM_LIST = 4 * 1024 * 1024;
const MAXIMUM_SERIAL = 20;
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
  const isDer = typeof input !== 'string' && input[0] === SEQUENCE;
  const bytes = isDer ? input : onlyBlock(input);
  if (bytes.length > MAXIMUM_LIST) throw malformed(STRUCTURE, 'larger than 4 MiB');
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const outer = new DerReader(view, STRUCTURE);
  const [tbs, signed] = readSigned(outer);
  outer.end();
  return readTbs(view, tbs, signed);
}

function onlyBlock(input: Uint8Array | string): Uint8Array {
  const [block, ...more] = splitPem(input, 'X509 CRL', 2 * MAXIMUM_LIST);
  if (block === undefined || more.length > 0) throw malformed(STRUCTURE, 'more than one in one text');
  return block;
}

function readTbs(bytes: Uint8Array, tbs: DerReader, signed: Signed): RevocationList {
  const version = tbs.nextTag === INTEGER ? tbs.small(1) + 1 : 1;
  const isSameAlgorithm = passesAlgorithm(tbs, signed.signatureAlgorithm);
  const issuer = readName(tbs);
  const thisUpdate = readTime(tbs);
  const nextUpdate = isTime(tbs.nextTag) ? readTime(tbs) : undefined;
  const unknownCritical = new Set<string>();
  const entries = tbs.enterOptional(SEQUENCE);
  const revoked = entries === undefined ? [] : readEntries(bytes, entries, unknownCritical);
  const wrapped = tbs.enterOptional(CONTEXT_CONSTRUCTED | 0);
  tbs.end();
  if (wrapped !== undefined && version !== 2) throw tbs.fault('extensions in version 1');
  const extensions = wrapped === undefined ? new Map<string, Extension>() : readExtensions(wrapped.enter());
  wrapped?.end();
  for (const [oid, { critical }] of extensions) if (critical) unknownCritical.add(oid);
  if (!isSameAlgorithm) throw malformed(STRUCTURE, 'two signature algorithms');
  // Spread last: a literal that goes on behind a spread costs as much as half of a list.
  return { issuer, thisUpdate, nextUpdate, revoked, unknownCritical: [...unknownCritical], ...signed };
}

function readEntries(bytes: Uint8Array, entries: DerReader, unknownCritical: Set<string>): number[] {
  const revoked: number[] = [];
  // Most entries say the same of their certificate as the one before, a reason: that is read once.
  let seen: Uint8Array | undefined;
  const entry = entries.level();
  while (!entries.done) {
    entries.enterNext(entry);
    revoked.push(entry.unsignedStart(MAXIMUM_SERIAL), entry.at);
    // When it was revoked makes no difference.
    const { nextTag } = entry;
    entry.pass();
    if (!isTime(nextTag)) throw entry.fault('a time');
    if (!entry.done) {
      const at = entry.at;
      entry.pass(SEQUENCE);
      if (seen === undefined || !holdsAt(bytes, at, entry.at, seen)) {
        seen = bytes.subarray(at, entry.at);
        readEntryExtensions(new DerReader(seen, STRUCTURE).enter(), unknownCritical);
      }
    }
    entry.end();
  }
  return revoked;
}

function readEntryExtensions(reader: DerReader, unknownCritical: Set<string>): void {
  const extensions = readExtensions(reader);
  for (const [oid, { critical }] of extensions) if (critical && oid !== REASON_CODE) unknownCritical.add(oid);
  const reason = extensions.get(REASON_CODE);
  // Only delta lists may take a revocation back; entered in a whole list it must not hide one.
  if (reason !== undefined && new DerReader(reason.value, STRUCTURE).small(10, ENUMERATED) === REMOVE_FROM_CRL) {
    throw reader.fault('removeFromCRL outside a delta list');
  }
}

/**
 * Whether a list names a serial number, big-endian as `certificate.serial` has it. Few lists are asked for more than one or
 * two, so that to look through them costs less than to collect them.
 */
export function isRevoked({ der, revoked }: RevocationList, serial: Uint8Array): boolean {
  for (let at = 0; at < revoked.length; at += 2) {
    if (holdsAt(der, revoked[at] as number, revoked[at + 1] as number, serial)) return true;
  }
  return false;
}
