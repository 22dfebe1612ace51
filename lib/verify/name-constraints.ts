import { DerReader } from '../abi/der.js';
import { CONTEXT_CONSTRUCTED } from '../abi/der-tags.js';
import { type Certificate, NAME_CONSTRAINTS, namesIssuer } from '../abi/x509.js';
import { type AlternativeNames, alternativeNames, readGeneralName } from '../abi/x509-extensions.js';
import { equalBytes, latin1Text } from '../base/bytes.js';
import { AttestationError } from '../base/errors.js';
import type { Authority } from './path.js';

/**
 * Name constraints of a certificate authority (RFC 5280 section 4.2.1.10), for the forms that servers' certificates use: DNS
 * names, IP addresses and directory names. A constraint of any other form is not evaluated: the certificate below is
 * refused when it has a name of that form, or when the form's names are not read here at all.
 */
export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

interface Subtree {
  readonly form: keyof AlternativeNames | 'other';
  readonly content: Uint8Array;
}

const STRUCTURE = 'name constraints';
const MAX_SUBTREES = 1024;

/** Extension value of OID 2.5.29.30. @throws AttestationError 20 */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const outer = new DerReader(value, STRUCTURE);
  const constraints = outer.enter();
  outer.end();
  const permitted = constraints.enterOptional(CONTEXT_CONSTRUCTED | 0);
  const excluded = constraints.enterOptional(CONTEXT_CONSTRUCTED | 1);
  constraints.end();
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(reader: DerReader | undefined): Subtree[] {
  const subtrees: Subtree[] = [];
  while (reader !== undefined && !reader.done) {
    if (subtrees.length === MAX_SUBTREES) throw reader.fault('too many names');
    const subtree = reader.enter();
    const base = readGeneralName(subtree);
    const { length } = base.content;
    if (base.form === 'ip' && length !== 8 && length !== 32) throw reader.fault('an IP range');
    subtrees.push(base);
    // minimum 0 is the default, which DER leaves out, and maximum is absent (RFC 5280).
    subtree.end();
  }
  return subtrees;
}

/** What is wrong with the names of a path under an authority that has constraints: for `findPath`. */
export function constraintsProblem(path: readonly Certificate[], issuer: Authority): string | undefined {
  const extension = issuer.extensions.get(NAME_CONSTRAINTS);
  if (extension === undefined) return undefined;
  try {
    const constraints = readNameConstraints(extension.value);
    const bound = path.filter((one, at) => at === 0 || !namesIssuer(one, one));
    return bound.every((one) => keepsTo(constraints, one)) ? undefined : 'excluded by its name constraints';
  } catch (error) {
    if (error instanceof AttestationError) return error.message;
    throw error;
  }
}

/** Whether a certificate's names keep to the constraints of one above it. */
function keepsTo(constraints: NameConstraints, certificate: Certificate): boolean {
  const { dns = [], ip = [], directory = [], email = [], uri = [] } = alternativeNames(certificate) ?? {};
  const { permitted, excluded } = constraints;
  const subject = certificate.subject.raw;
  const directories = attributesOf(subject).length > 0 ? [subject, ...directory] : directory;
  const unevaluated = { email, uri, other: [''], dns: [], ip: [], directory: [] };
  const keep = <Name>(
    form: Subtree['form'],
    names: readonly Name[],
    within: (name: Name, base: Uint8Array) => boolean,
    reaches = within,
  ) => {
    const ofForm = (subtrees: readonly Subtree[]): readonly Subtree[] => subtrees.filter((one) => one.form === form);
    const [wanted, unwanted] = [ofForm(permitted), ofForm(excluded)];
    return names.every((name) => {
      const isPermitted = wanted.length === 0 || wanted.some(({ content }) => within(name, content));
      return isPermitted && !unwanted.some(({ content }) => reaches(name, content));
    });
  };
  return (
    [...permitted, ...excluded].every(({ form }) => unevaluated[form].length === 0) &&
    keep('dns', dns, isBelow, mayBeBelow) &&
    keep('ip', ip, isInRange) &&
    keep('directory', directories, isInDirectory)
  );
}

/** `example.com` holds for itself and everything below it; a leading dot, which some write, for everything below. */
function isBelow(name: string, base: Uint8Array): boolean {
  const constraint = latin1Text(base).toLowerCase();
  const suffix = constraint.startsWith('.') || constraint === '' ? constraint : `.${constraint}`;
  return name.toLowerCase() === constraint || name.toLowerCase().endsWith(suffix);
}

/**
 * Whether a name is below one, or a wildcard that can stand for one that is: `*.example.com` for `secret.example.com`. A wildcard
 * stands for one label (RFC 6125 section 6.4.3), so it is the base itself that it can stand for, with any first label.
 */
function mayBeBelow(name: string, base: Uint8Array): boolean {
  const wildcard = latin1Text(base).replace(/^[^.]*/, '*');
  return isBelow(name, base) || name.toLowerCase() === wildcard.toLowerCase();
}

/** Address and mask. */
function isInRange(ip: Uint8Array, range: Uint8Array): boolean {
  const { length } = ip;
  const isEqual = (byte: number, at: number): boolean =>
    ((byte ^ (range[at] as number)) & (range[length + at] as number)) === 0;
  return range.length === 2 * length && ip.every(isEqual);
}

function isInDirectory(name: Uint8Array, base: Uint8Array): boolean {
  const attributes = attributesOf(name);
  return attributesOf(base).every((attribute, at) => equalBytes(attribute, attributes[at] ?? new Uint8Array()));
}

/** Each RelativeDistinguishedName of a name, in DER. */
function attributesOf(name: Uint8Array): Uint8Array[] {
  const attributes: Uint8Array[] = [];
  const reader = new DerReader(name, STRUCTURE).enter();
  while (!reader.done) attributes.push(reader.encoded());
  return attributes;
}
