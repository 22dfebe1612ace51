import { contextTag, DerReader } from '../abi/der.js';
import type { Certificate } from '../abi/x509.js';
import { readName } from '../abi/x509-name.js';
import { equalBytes, latin1Text } from '../base/bytes.js';

/**
 * Name constraints of a certificate authority (RFC 5280 section 4.2.1.10), for the forms that servers' certificates use: DNS
 * names, IP addresses and directory names. A constraint of any other form is not evaluated: the certificate below is
 * refused when it has a name of that form, or when the form's names are not read here at all.
 */
export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

type Subtree =
  | { readonly form: 'dns'; readonly name: string }
  | { readonly form: 'ip'; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly form: 'directory'; readonly attributes: readonly Uint8Array[] }
  | { readonly form: 'email' | 'uri' | 'other' };

const STRUCTURE = 'name constraints';
const MAX_SUBTREES = 1024;

/** Extension value of OID 2.5.29.30. @throws AttestationError 20 */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const outer = new DerReader(value, STRUCTURE);
  const constraints = outer.enter();
  outer.end();
  const permitted = constraints.enterOptional(contextTag(0, 'constructed'));
  const excluded = constraints.enterOptional(contextTag(1, 'constructed'));
  constraints.end();
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(reader: DerReader | undefined): Subtree[] {
  const subtrees: Subtree[] = [];
  while (reader !== undefined && !reader.done) {
    if (subtrees.length === MAX_SUBTREES) throw reader.fault('too many subtrees');
    const subtree = reader.enter();
    subtrees.push(readBase(subtree));
    // minimum 0 is the default, which DER leaves out, and maximum is absent (RFC 5280).
    subtree.end();
  }
  return subtrees;
}

function readBase(reader: DerReader): Subtree {
  const tag = reader.nextTag;
  if (tag === contextTag(4, 'constructed')) {
    return { form: 'directory', attributes: attributesOf(readName(reader.enter(tag)).raw) };
  }
  const content = reader.content();
  if (tag === contextTag(2, 'primitive')) return { form: 'dns', name: latin1Text(content).toLowerCase() };
  if (tag === contextTag(1, 'primitive')) return { form: 'email' };
  if (tag === contextTag(6, 'primitive')) return { form: 'uri' };
  if (tag !== contextTag(7, 'primitive')) return { form: 'other' };
  const half = content.length / 2;
  if (half !== 4 && half !== 16) throw reader.fault('an IP range of a wrong length');
  return { form: 'ip', address: content.subarray(0, half), mask: content.subarray(half) };
}

/** Each RelativeDistinguishedName of a name, in DER. */
function attributesOf(name: Uint8Array): Uint8Array[] {
  const attributes: Uint8Array[] = [];
  const reader = new DerReader(name, STRUCTURE).enter();
  while (!reader.done) attributes.push(reader.encoded());
  return attributes;
}

/** What a certificate is called, by form. */
interface Names {
  readonly dns: readonly string[];
  readonly ip: readonly Uint8Array[];
  readonly directory: readonly (readonly Uint8Array[])[];
  readonly email: number;
  readonly uri: number;
}

/** Whether a certificate's names keep to the constraints of one above it. */
export function keepsTo(constraints: NameConstraints, certificate: Certificate): boolean {
  const names = namesOf(certificate);
  const { permitted, excluded } = constraints;
  const subject = attributesOf(certificate.subject.raw);
  const directories = subject.length > 0 ? [subject, ...names.directory] : names.directory;
  return (
    evaluable([...permitted, ...excluded], names) &&
    names.dns.every((name) => allowed(permitted, excluded, 'dns', (subtree) => isBelow(name, subtree.name))) &&
    names.ip.every((ip) => allowed(permitted, excluded, 'ip', (subtree) => isInRange(ip, subtree))) &&
    directories.every((directory) =>
      allowed(permitted, excluded, 'directory', ({ attributes }) => startsWith(directory, attributes)),
    )
  );
}

function namesOf({ subjectAlternativeNames: names }: Certificate): Names {
  return {
    dns: (names?.dns ?? []).map((name) => name.toLowerCase()),
    ip: names?.ip ?? [],
    directory: (names?.directory ?? []).map(attributesOf),
    email: names?.email.length ?? 0,
    uri: names?.uri.length ?? 0,
  };
}

function evaluable(subtrees: readonly Subtree[], names: Names): boolean {
  return subtrees.every(({ form }) => {
    if (form === 'email' || form === 'uri') return names[form] === 0;
    return form !== 'other';
  });
}

function allowed<Form extends 'dns' | 'ip' | 'directory'>(
  permitted: readonly Subtree[],
  excluded: readonly Subtree[],
  form: Form,
  within: (subtree: Extract<Subtree, { form: Form }>) => boolean,
): boolean {
  const ofForm = (subtree: Subtree): subtree is Extract<Subtree, { form: Form }> => subtree.form === form;
  const wanted = permitted.filter(ofForm);
  return (wanted.length === 0 || wanted.some(within)) && !excluded.filter(ofForm).some(within);
}

/** `example.com` holds for itself and everything below it; a leading dot, which some write, for everything below. */
function isBelow(name: string, constraint: string): boolean {
  if (constraint === '') return true;
  const suffix = constraint.startsWith('.') ? constraint : `.${constraint}`;
  return name === constraint || name.endsWith(suffix);
}

function isInRange(ip: Uint8Array, { address, mask }: { address: Uint8Array; mask: Uint8Array }): boolean {
  return ip.length === address.length && ip.every((byte, at) => ((byte ^ (address[at] ?? 0)) & (mask[at] ?? 0)) === 0);
}

const startsWith = (name: readonly Uint8Array[], beginning: readonly Uint8Array[]): boolean =>
  beginning.every((attribute, at) => equalBytes(attribute, name[at] ?? new Uint8Array()));
