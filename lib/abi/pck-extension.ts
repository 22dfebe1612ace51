import { DerReader } from './der.js';
import { ENUMERATED, OCTET_STRING } from './der-tags.js';
import { malformed } from './input.js';
import type { Certificate } from './x509.js';

/** What Intel writes into a PCK certificate (SGX PCK Certificate and CRL Profile Specification, SGX extension). */
export interface PckExtension {
  /** 16 bytes: an id of the platform. */
  readonly ppid: Uint8Array;
  /** 16 SVNs, 0 to 255: what TCB levels are compared with. */
  readonly sgxComponents: readonly number[];
  /** 0 to 65535. */
  readonly pcesvn: number;
  /** 16 bytes. */
  readonly cpusvn: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes: family, model, stepping, platform and custom SKU. */
  readonly fmspc: Uint8Array;
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  readonly sgxType: number;
  /** 16 bytes; Platform CA only, like the configuration. */
  readonly platformInstanceId?: Uint8Array;
  readonly configuration?: {
    readonly dynamicPlatform?: boolean;
    readonly cachedKeys?: boolean;
    readonly smtEnabled?: boolean;
  };
}

/** Arc of Intel's SGX extension. */
const SGX_EXTENSION = '1.2.840.113741.1.13.1';
const STRUCTURE = 'PCK certificate';
const COMPONENTS = 16;
/** Identifiers of the members of a sequence, put together once. */
/* @__NO_SIDE_EFFECTS__ */ const membersOf = (arc: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${arc}.${index + 1}`);
const MEMBERS = membersOf(SGX_EXTENSION, 7);
/** The components, PCESVN and CPUSVN. */
const TCB_MEMBERS = membersOf(`${SGX_EXTENSION}.2`, COMPONENTS + 2);
const FLAG_MEMBERS = membersOf(`${SGX_EXTENSION}.7`, 3);

/**
 * Intel's extension of a PCK certificate.
 *
 * @throws {AttestationError} 20 when it is missing, or a part of it is missing, doubled or not encoded as specified.
 */
export function parsePckExtension(certificate: Certificate): PckExtension {
  const extension = certificate.extensions.get(SGX_EXTENSION);
  if (extension === undefined) throw malformed(STRUCTURE, `extension ${SGX_EXTENSION} is missing`);
  const outer = new DerReader(extension.value, STRUCTURE);
  const members = readMembers(outer.enter());
  outer.end();
  const required = (number: number): DerReader => take(members, MEMBERS, number);
  const ppid = octets(required(1), 16);
  const tcb = readMembers(required(2).enter());
  const level = (number: number): DerReader => take(tcb, TCB_MEMBERS, number);
  const sgxComponents = Array.from({ length: COMPONENTS }, (_, index) => level(index + 1).small(255));
  const instance = members.get(MEMBERS[5] as string);
  const configuration = members.get(MEMBERS[6] as string);
  const found: { -readonly [Name in keyof PckExtension]: PckExtension[Name] } = {
    ppid,
    sgxComponents,
    pcesvn: level(17).small(65_535),
    cpusvn: octets(level(18), 16),
    pceId: octets(required(3), 2),
    fmspc: octets(required(4), 6),
    sgxType: required(5).small(2, ENUMERATED),
  };
  if (instance !== undefined) found.platformInstanceId = octets(instance, 16);
  if (configuration !== undefined) found.configuration = readConfiguration(configuration.enter());
  return found;
}

/** SEQUENCE of { OID, value }: a reader of each value. */
function readMembers(sequence: DerReader): Map<string, DerReader> {
  const members = new Map<string, DerReader>();
  while (!sequence.done) {
    const member = sequence.enter();
    const oid = member.oid();
    if (members.has(oid)) throw sequence.fault(`${oid} twice`);
    members.set(oid, member.single());
  }
  return members;
}

function take(members: ReadonlyMap<string, DerReader>, names: readonly string[], number: number): DerReader {
  const oid = names[number - 1] as string;
  const found = members.get(oid);
  if (found === undefined) throw malformed(STRUCTURE, `${oid} is missing`);
  return found;
}

function octets(reader: DerReader, size: number): Uint8Array {
  const content = reader.content(OCTET_STRING);
  if (content.length !== size) throw reader.fault(`${content.length} instead of ${size} bytes`);
  return content;
}

type Configuration = NonNullable<PckExtension['configuration']>;

const FLAGS = ['dynamicPlatform', 'cachedKeys', 'smtEnabled'] as const;

function readConfiguration(sequence: DerReader): Configuration {
  const members = readMembers(sequence);
  const configuration: { -readonly [Name in keyof Configuration]: Configuration[Name] } = {};
  FLAGS.forEach((name, index) => {
    const value = members.get(FLAG_MEMBERS[index] as string);
    if (value !== undefined) configuration[name] = value.boolean();
  });
  return configuration;
}
