import { AttestationError, ErrorCode, VerificationError } from './errors.js';

/**
 * The one way in which every entry point takes options: a table of names and kinds. Only own enumerable data properties of
 * a plain object count; what is unknown, misspelt, of a wrong type or out of range is an error of the caller (8), and so is
 * a value that got lost: an option that is there but `undefined` must not become a protection that is off. What comes back
 * is a copy, so that what was checked is what is used.
 */

/** Checks one value and returns its copy. Throws {@link AttestationError} 8, and whatever a hostile value throws. */
export interface OptionKind<T> {
  readonly check: (value: unknown, name: string) => T;
}

export interface RequiredKind<T> extends OptionKind<T> {
  readonly required: true;
}

/** A kind for each member of `T`; those that `T` requires are marked by {@link required}. */
export type OptionTable<T> = {
  readonly [Name in keyof T]-?: undefined extends T[Name]
    ? OptionKind<Exclude<T[Name], undefined>>
    : Record<never, never> extends Pick<T, Name>
      ? OptionKind<T[Name]>
      : RequiredKind<T[Name]>;
};

/** Options whose absence cannot weaken anything: for these, and only these, `undefined` is the same as absent. */
const MAY_BE_UNDEFINED: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'signal',
  'logger',
  'now',
  'cache',
  'clockTolerance',
]);

/* @__NO_SIDE_EFFECTS__ */ export function required<T>(kind: OptionKind<T>): RequiredKind<T> {
  return { check: kind.check, required: true };
}

/**
 * Checks the options of `what` (`verifyToken`, for messages) and returns a copy of them. `undefined` in place of the options
 * is not an options object.
 *
 * @throws {AttestationError} 8
 */
export function checkOptions<T extends object>(what: string, given: unknown, table: OptionTable<T>): T {
  return guarded(what, () => checkedMembers(given === undefined ? {} : given, '', table));
}

/**
 * Checks one positional argument of `what` and returns its copy.
 *
 * @throws {AttestationError} 8
 */
export function checkArgument<T>(what: string, name: string, given: unknown, kind: OptionKind<T>): T {
  return guarded(what, () => kind.check(given, name));
}

/** An object of options within options. */
/* @__NO_SIDE_EFFECTS__ */ export function nested<T extends object>(table: OptionTable<T>): OptionKind<T> {
  return { check: (value, name) => checkedMembers(value, name, table) };
}

/** A plain object with any names and values of one kind. The copy has no prototype. */
/* @__NO_SIDE_EFFECTS__ */ export function recordOf<T>(kind: OptionKind<T>): OptionKind<Record<string, T>> {
  return {
    check: (value, name) => {
      const record = Object.create(null) as Record<string, T>;
      for (const member of ownNames(value, name)) {
        const found = ownValue(value as object, member);
        if (found === undefined) throw undefinedOption(`${name}.${member}`);
        record[member] = kind.check(found, `${name}.${member}`);
      }
      return record;
    },
  };
}

/**
 * Runs what reads arguments for which there is no table: structures that this package made itself and gets back. What a
 * wrong one, a getter or a Proxy throws is the caller's error, and which call it was.
 *
 * @throws {AttestationError} 8, and the typed errors of `work` as they are
 */
export function readArguments<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AttestationError || error instanceof VerificationError) throw error;
    throw unreadable(what, error);
  }
}

function unreadable(what: string, cause: unknown): AttestationError {
  return invalid(`${what}: an argument cannot be read`, cause);
}

/** The options of who gives none: without members, those that somebody has put on Object.prototype included. */
// biome-ignore lint/complexity/noBannedTypes: any options
export const NOTHING: {} = /* @__PURE__ */ Object.freeze(/* @__PURE__ */ Object.create(null));

/** The error of a caller: 8. */
export function invalid(message: string, cause?: unknown): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message, { cause });
}

/** Getters, Proxies and revoked objects throw what they like: the caller gets one kind of error, and which call it was. */
function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AttestationError) throw new AttestationError(error.code, `${what}: ${error.message}`, error);
    throw unreadable(what, error);
  }
}

function checkedMembers<T extends object>(given: unknown, path: string, table: OptionTable<T>): T {
  const kinds = table as unknown as Readonly<Record<string, OptionKind<unknown> | RequiredKind<unknown>>>;
  // Without a prototype: what somebody has put on Object.prototype is no option.
  const checked: Record<string, unknown> = Object.create(null);
  const prefix = path === '' ? '' : `${path}.`;
  for (const name of ownNames(given, path === '' ? 'the options' : path)) {
    const value = ownValue(given as object, name);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw unknownOption(name, Object.keys(kinds), path);
    if (value === undefined) {
      if (MAY_BE_UNDEFINED.has(name)) continue;
      throw undefinedOption(`${prefix}${name}`);
    }
    checked[name] = kind.check(value, `${prefix}${name}`);
  }
  for (const name of Object.keys(kinds)) {
    const isMissing = 'required' in (kinds[name] as object) && !Object.hasOwn(checked, name);
    if (isMissing) throw invalid(`${prefix}${name} must be given`);
  }
  return checked as T;
}

/** Names of a plain object's own properties, none of which may be a symbol. */
function ownNames(given: unknown, what: string): string[] {
  if (!isPlainObject(given)) throw invalid(`${what} must be a plain object${waiting(given)}`);
  const names = Reflect.ownKeys(given);
  if (names.some((name) => typeof name === 'symbol')) throw invalid(`${what} has a symbol for a name`);
  return names as string[];
}

/** Value of an enumerable data property; any other is refused. */
function ownValue(given: object, name: string): unknown {
  const property = Reflect.getOwnPropertyDescriptor(given, name);
  if (property === undefined || !('value' in property && property.enumerable)) {
    throw invalid(`${name.slice(0, 60)} must be an enumerable value, not a getter`);
  }
  return property.value;
}

function undefinedOption(name: string): AttestationError {
  return invalid(`${name} is given but undefined`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Reflect.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || isForeignObjectPrototype(prototype as object);
}

/** `Object.prototype` of another realm, as in Jest's sandbox or an iframe; an object with options on it is none. */
function isForeignObjectPrototype(value: object): boolean {
  return (
    Reflect.getPrototypeOf(value) === null &&
    Object.hasOwn(value, 'isPrototypeOf') &&
    Object.hasOwn(value, 'propertyIsEnumerable') &&
    Object.keys(value).length === 0
  );
}

/** The commonest slip: a promise where its value was meant. */
export function waiting(value: unknown): string {
  const isPromise =
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
  return isPromise ? ', not a promise: is an await missing?' : '';
}

function unknownOption(name: string, known: readonly string[], path: string): AttestationError {
  const meant = known.find((candidate) => isMisspelling(name, candidate));
  const hint = meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
  const where = path === '' ? '' : ` in ${path}`;
  return invalid(`there is no option ${JSON.stringify(name.slice(0, 60))}${where}: ${hint}`);
}

/** Whether two names differ by case or by at most two letters left out, added, changed or swapped. */
export function isMisspelling(given: string, known: string): boolean {
  return isNear(given.toLowerCase(), known.toLowerCase(), known.length < 4 ? 0 : known.length < 6 ? 1 : 2);
}

function isNear(one: string, other: string, edits: number): boolean {
  let same = 0;
  while (same < one.length && one[same] === other[same]) same++;
  const [a, b] = [one.slice(same), other.slice(same)];
  if (a === b) return true;
  if (edits === 0) return false;
  const isSwapped = a[0] === b[1] && a[1] === b[0];
  const rests: [string, string][] = [
    [a.slice(1), b],
    [a, b.slice(1)],
    [a.slice(1), b.slice(1)],
    [a.slice(isSwapped ? 2 : 1), b.slice(isSwapped ? 2 : 1)],
  ];
  return rests.some(([rest, otherRest]) => isNear(rest, otherRest, edits - 1));
}
