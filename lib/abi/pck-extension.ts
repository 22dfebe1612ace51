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
/* @__NO_SIDE_EFFECTS__ */ const membersOf = (arc: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${arc}.${index + 1}`);
const MEMBERS = membersOf(SGX_EXTENSION, 7);
/** The components, PCESVN and CPUSVN. */
const TCB_MEMBERS = membersOf(`${SGX_EXTENSION}.2`, COMPONENTS + 2);
const FLAG_MEMBERS = membersOf(`${SGX_EXTENSION}.7`, 3);
const FLAGS = ['dynamicPlatform', 'cachedKeys', 'smtEnabled'] as const;

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * Intel's extension of a PCK certificate.
 *
 * @throws {AttestationError} 20 when it is missing, or a part of it is missing, doubled or not encoded as specified.
 */
export function parsePckExtension(certificate: Certificate): PckExtension {
  const extension = certificate.extensions.get(SGX_EXTENSION);
  if (extension === undefined) throw malformed(STRUCTURE, `extension ${SGX_EXTENSION} is missing`);
  const outer = new DerReader(extension.value, STRUCTURE);
  const members = readMembers(outer.enter(), MEMBERS);
  outer.end();
  const tcb = readMembers(required(members(2)).enter(), TCB_MEMBERS);
  const found: Writable<PckExtension> = {
    ppid: octets(members(1), 16),
    sgxComponents: Array.from({ length: COMPONENTS }, (_, index) => required(tcb(index + 1)).small(255)),
    pcesvn: required(tcb(COMPONENTS + 1)).small(65_535),
    cpusvn: octets(tcb(COMPONENTS + 2), 16),
    pceId: octets(members(3), 2),
    fmspc: octets(members(4), 6),
    sgxType: required(members(5)).small(2, ENUMERATED),
  };
  const instance = members(6);
  if (instance !== undefined) found.platformInstanceId = octets(instance, 16);
  const configuration = members(7);
  if (configuration !== undefined) found.configuration = readConfiguration(configuration.enter());
  return found;
}

/** SEQUENCE of { OID, value }: a reader of each value, by its number among `oids`. */
function readMembers(sequence: DerReader, oids: readonly string[]): (number: number) => DerReader | undefined {
  const members = new Map<string, DerReader>();
  while (!sequence.done) {
    const member = sequence.enter();
    const oid = member.oid();
    if (members.has(oid)) throw sequence.fault(`${oid} twice`);
    members.set(oid, member.single());
  }
  return (number) => members.get(oids[number - 1] ?? '');
}

function required(member: DerReader | undefined): DerReader {
  if (member === undefined) throw malformed(STRUCTURE, `a member of extension ${SGX_EXTENSION} is missing`);
  return member;
}

function octets(member: DerReader | undefined, size: number): Uint8Array {
  const content = required(member).content(OCTET_STRING);
  if (content.length !== size) throw malformed(STRUCTURE, `${content.length} instead of ${size} bytes`);
  return content;
}

function readConfiguration(sequence: DerReader): NonNullable<PckExtension['configuration']> {
  const members = readMembers(sequence, FLAG_MEMBERS);
  const configuration: Writable<NonNullable<PckExtension['configuration']>> = {};
  FLAGS.forEach((name, index) => {
    const value = members(index + 1);
    if (value !== undefined) configuration[name] = value.boolean();
  });
  return configuration;
}
