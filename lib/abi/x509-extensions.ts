import { latin1Text } from '../base/bytes.js';
import { contextTag, type DerReader, DerReader as Reader, Tag } from './der.js';
import { recently } from './recent-bytes.js';
import { readName } from './x509-name.js';

export interface Extension {
  readonly critical: boolean;
  /** What the extension's OCTET STRING holds. */
  readonly value: Uint8Array;
}

export interface BasicConstraints {
  readonly ca: boolean;
  /** How many CA certificates may follow below. */
  readonly pathLength?: number;
}

/** Names of an alternative name that are compared somewhere; others (directory names, other names) are left out. */
export interface AlternativeNames {
  readonly dns: readonly string[];
  /** 4 or 16 bytes each. */
  readonly ip: readonly Uint8Array[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  /** DER of each directory name. */
  readonly directory: readonly Uint8Array[];
}

const KEY_USAGES = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

const MAXIMUM_EXTENSIONS = 64;
const MAXIMUM_NAMES = 1024;

/** Extensions by OID; one that comes twice is refused, since two readers may take either. */
export function readExtensions(reader: DerReader): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  const extension = reader.level();
  do {
    reader.enterNext(extension);
    const oid = extension.oid();
    const critical = extension.nextTag === Tag.BOOLEAN && extension.boolean();
    const value = extension.content(Tag.OCTET_STRING);
    extension.end();
    if (extensions.has(oid)) throw reader.fault(`extension ${oid} twice`);
    if (extensions.size === MAXIMUM_EXTENSIONS) throw reader.fault('too many extensions');
    extensions.set(oid, { critical, value });
  } while (!reader.done);
  return extensions;
}

/** RFC 5280 section 4.2.1.9. */
export const readBasicConstraints = recently<BasicConstraints>(16, (bytes, structure) => {
  const constraints = sequenceOf(bytes, structure);
  const ca = constraints.nextTag === Tag.BOOLEAN && constraints.boolean();
  const pathLength = constraints.done ? undefined : constraints.small(255);
  constraints.end();
  return pathLength === undefined ? { ca } : { ca, pathLength };
});

/** RFC 5280 section 4.2.1.3: named bits of a BIT STRING. */
export const readKeyUsage = recently<ReadonlySet<KeyUsage>>(16, (bytes, structure) => {
  const reader = new Reader(bytes, structure);
  const [unused = 8, ...octets] = reader.content(Tag.BIT_STRING);
  reader.end();
  const last = octets[octets.length - 1] ?? 0;
  if (unused > 7 || octets.length > 2 || (last & ((1 << unused) - 1)) !== 0) throw reader.fault('key usage bits');
  return new Set(KEY_USAGES.filter((_, bit) => ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0));
});

/** RFC 5280 section 4.2.1.12: object identifiers. */
export function readExtendedKeyUsage(value: Uint8Array, structure: string): string[] {
  const reader = sequenceOf(value, structure);
  const usages: string[] = [];
  do {
    if (usages.length === MAXIMUM_EXTENSIONS) throw reader.fault('too many key usages');
    usages.push(reader.oid());
  } while (!reader.done);
  return usages;
}

/** RFC 5280 section 4.2.1.6. */
export function readAlternativeNames(value: Uint8Array, structure: string): AlternativeNames {
  return readGeneralNames(sequenceOf(value, structure));
}

function readGeneralNames(reader: DerReader): AlternativeNames {
  const dns: string[] = [];
  const ip: Uint8Array[] = [];
  const uri: string[] = [];
  const email: string[] = [];
  const directory: Uint8Array[] = [];
  for (let count = 0; !reader.done; count++) {
    if (count === MAXIMUM_NAMES) throw reader.fault('too many names');
    const tag = reader.nextTag;
    if (tag === contextTag(4, 'constructed')) {
      directory.push(readName(reader.enter(tag)).raw);
      continue;
    }
    const content = reader.content();
    if (tag === contextTag(1, 'primitive')) email.push(ascii(content, reader));
    else if (tag === contextTag(2, 'primitive')) dns.push(ascii(content, reader));
    else if (tag === contextTag(6, 'primitive')) uri.push(ascii(content, reader));
    else if (tag === contextTag(7, 'primitive')) {
      if (content.length !== 4 && content.length !== 16) throw reader.fault('an IP address of a wrong length');
      ip.push(content);
    }
  }
  return { dns, ip, uri, email, directory };
}

/** RFC 5280 section 4.2.1.1: the key identifier, where the issuer's is named by one. */
export function readAuthorityKeyIdentifier(value: Uint8Array, structure: string): Uint8Array | undefined {
  const identifier = sequenceOf(value, structure);
  const tag = contextTag(0, 'primitive');
  return identifier.nextTag === tag ? identifier.content(tag) : undefined;
}

/** RFC 5280 section 4.2.1.2. */
export function readSubjectKeyIdentifier(value: Uint8Array, structure: string): Uint8Array {
  const reader = new Reader(value, structure);
  const identifier = reader.content(Tag.OCTET_STRING);
  reader.end();
  return identifier;
}

/** RFC 5280 section 4.2.1.13: addresses of the full names. */
export const readDistributionPoints = recently<readonly string[]>(64, (bytes, structure) => {
  const uris: string[] = [];
  const points = sequenceOf(bytes, structure);
  while (!points.done) {
    const name = points.enter().enterOptional(contextTag(0, 'constructed'));
    const full = name?.enterOptional(contextTag(0, 'constructed'));
    if (full !== undefined) uris.push(...readGeneralNames(full).uri);
    if (uris.length > MAXIMUM_EXTENSIONS) throw points.fault('too many distribution points');
  }
  return uris;
});

export interface AuthorityInformation {
  readonly ocsp: readonly string[];
  readonly caIssuers: readonly string[];
}

/** RFC 5280 section 4.2.2.1. */
export function readAuthorityInformation(value: Uint8Array, structure: string): AuthorityInformation {
  const ocsp: string[] = [];
  const caIssuers: string[] = [];
  const descriptions = sequenceOf(value, structure);
  while (!descriptions.done) {
    const description = descriptions.enter();
    const method = description.oid();
    const { nextTag } = description;
    const content = description.content();
    description.end();
    if (nextTag !== contextTag(6, 'primitive')) continue;
    if (method === '1.3.6.1.5.5.7.48.1') ocsp.push(ascii(content, descriptions));
    if (method === '1.3.6.1.5.5.7.48.2') caIssuers.push(ascii(content, descriptions));
    if (ocsp.length + caIssuers.length > MAXIMUM_EXTENSIONS) throw descriptions.fault('too much authority information');
  }
  return { ocsp, caIssuers };
}

function sequenceOf(value: Uint8Array, structure: string): DerReader {
  const reader = new Reader(value, structure);
  const sequence = reader.enter();
  reader.end();
  return sequence;
}

// Printable ASCII only: a NUL inside a host name once passed for the name before it.
function ascii(content: Uint8Array, reader: DerReader): string {
  const text = content.length > 2048 ? '' : latin1Text(content);
  if (text.length !== content.length || !/^[ -~]*$/.test(text))
    throw reader.fault('a name that is not printable ASCII');
  return text;
}
