import { latin1Text } from '../base/bytes.js';
import { type DerReader, DerReader as Reader } from './der.js';
import { BIT_STRING, BOOLEAN, CONTEXT, CONTEXT_CONSTRUCTED, OCTET_STRING } from './der-tags.js';
import { recently } from './recent-bytes.js';
import { readName } from './x509-name.js';

export interface Extension {
  readonly critical: boolean;
  /** What the extension's OCTET STRING holds. */
  readonly value: Uint8Array;
}

interface Extended {
  readonly extensions: ReadonlyMap<string, Extension>;
}

export const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

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

// Bits of the key usage, RFC 5280 section 4.2.1.3.
export const DIGITAL_SIGNATURE = 0x80;
export const KEY_CERT_SIGN = 0x04;
export const CRL_SIGN = 0x02;

const NAME_FORMS: Readonly<Record<number, keyof AlternativeNames>> = {
  [CONTEXT | 1]: 'email',
  [CONTEXT | 2]: 'dns',
  [CONTEXT_CONSTRUCTED | 4]: 'directory',
  [CONTEXT | 6]: 'uri',
  [CONTEXT | 7]: 'ip',
};

const MAXIMUM_EXTENSIONS = 64;
const MAXIMUM_NAMES = 1024;

/** Extensions by OID; one that comes twice is refused, since two readers may take either. */
export function readExtensions(reader: DerReader): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  const extension = reader.level();
  do {
    reader.enterNext(extension);
    const oid = extension.oid();
    const critical = extension.nextTag === BOOLEAN && extension.boolean();
    const value = extension.content(OCTET_STRING);
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
  const ca = constraints.nextTag === BOOLEAN && constraints.boolean();
  const pathLength = constraints.done ? undefined : constraints.small(255);
  constraints.end();
  return pathLength === undefined ? { ca } : { ca, pathLength };
});

/** RFC 5280 section 4.2.1.3: the first eight bits. The ninth, decipherOnly, means nothing here. */
export const readKeyUsage = recently<number>(16, (bytes, structure) => {
  const reader = new Reader(bytes, structure);
  const [unused = 8, ...octets] = reader.content(BIT_STRING);
  reader.end();
  const last = octets[octets.length - 1] ?? 0;
  if (unused > 7 || octets.length > 2 || (last & ((1 << unused) - 1)) !== 0) throw reader.fault('key usage bits');
  return octets[0] ?? 0;
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

/**
 * The alternative names of a certificate (RFC 5280 section 4.2.1.6): read by who compares names, as no chain of a machine does.
 *
 * @throws {AttestationError} 20
 */
export function alternativeNames({ extensions }: Extended): AlternativeNames | undefined {
  const extension = extensions.get(SUBJECT_ALTERNATIVE_NAME);
  return extension && readGeneralNames(sequenceOf(extension.value, 'alternative names'));
}

/** GeneralName: its form, as far as names of it are compared somewhere, and what is in it; of a directory name its DER. */
export function readGeneralName(reader: DerReader): { form: keyof AlternativeNames | 'other'; content: Uint8Array } {
  const { nextTag = 0 } = reader;
  const form = NAME_FORMS[nextTag] ?? 'other';
  return { form, content: form === 'directory' ? readName(reader.enter(nextTag)).raw : reader.content() };
}

function readGeneralNames(reader: DerReader): AlternativeNames {
  const names = {
    dns: [] as string[],
    ip: [] as Uint8Array[],
    uri: [] as string[],
    email: [] as string[],
    directory: [] as Uint8Array[],
  };
  for (let count = 0; !reader.done; count++) {
    if (count === MAXIMUM_NAMES) throw reader.fault('too many names');
    const { form, content } = readGeneralName(reader);
    if (form === 'ip' && content.length !== 4 && content.length !== 16) throw reader.fault('an IP address');
    if (form === 'ip' || form === 'directory') names[form].push(content);
    else if (form !== 'other') names[form].push(ascii(content, reader));
  }
  return names;
}

const AUTHORITY_INFORMATION_ACCESS = '1.3.6.1.5.5.7.1.1';
const CA_ISSUERS = '1.3.6.1.5.5.7.48.2';

/**
 * Where a certificate says that its issuer's is: the first address (RFC 5280 section 4.2.2.1). Only who fetches certificates
 * reads it.
 *
 * @throws {AttestationError} 20
 */
export function issuerAddress({ extensions }: Extended): string | undefined {
  const extension = extensions.get(AUTHORITY_INFORMATION_ACCESS);
  if (extension === undefined) return undefined;
  const descriptions = sequenceOf(extension.value, 'certificate');
  while (!descriptions.done) {
    const description = descriptions.enter();
    const isIssuer = description.oid() === CA_ISSUERS;
    const { form, content } = readGeneralName(description);
    description.end();
    if (isIssuer && form === 'uri') return ascii(content, descriptions);
  }
  return undefined;
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
  if (text.length !== content.length || !/^[ -~]*$/.test(text)) throw reader.fault('a name that is not ASCII');
  return text;
}
