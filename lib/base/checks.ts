import { equalBytes, isBytes } from './bytes.js';
import { type Check, type CheckSubject, messageOf } from './errors.js';
import { hex } from './hex.js';

/**
 * The values that a check compared, as they were found; they are put into words when the list is read: bytes as hex, dates as
 * ISO 8601, and a function is called, for words that cost something.
 */
export interface CheckedValues {
  expected?: unknown;
  actual?: unknown;
}

/** A check without the values that it compared. */
export interface Outcome<Code extends string = string> {
  readonly subject: CheckSubject | undefined;
  readonly name: string;
  readonly ok: boolean;
  /** Also of one that is good: what it would have failed with. */
  readonly code: Code | 'ERR_NOT_CHECKED';
  readonly skipped: boolean;
}

interface Finding<Code extends string> extends Outcome<Code> {
  readonly values: CheckedValues | undefined;
}

/**
 * Collects the checks of one verification, of tokens and of evidence alike, in the order in which they are made. A verifier
 * adds every one, whatever the outcome of those before. Checks of tokens have no subject. `Code` is the union of the codes that it may give.
 */
export class CheckList<Code extends string = string> {
  readonly #findings: Finding<Code>[] = [];
  #failures = 0;
  #words: Check[] | undefined;

  /** Adds one outcome; `expected` and `actual` are kept whether it passed or not. Returns `ok`. */
  add(subject: CheckSubject | undefined, name: string, code: Code, ok: boolean, values?: CheckedValues): boolean {
    this.#add({ subject, name, ok, code, skipped: false, values });
    return ok;
  }

  #add(finding: Finding<Code>): void {
    this.#findings.push(finding);
    if (!finding.ok) this.#failures++;
    this.#words = undefined;
  }

  /** Adds a comparison; bytes are equal when their contents are. */
  equal(
    subject: CheckSubject | undefined,
    name: string,
    code: Code,
    expected: string | number | boolean | Uint8Array,
    actual: unknown,
  ): boolean {
    const same = isBytes(expected) && isBytes(actual) ? equalBytes(expected, actual) : expected === actual;
    return this.add(subject, name, code, same, { expected, actual: actual ?? 'none' });
  }

  /** Adds whether a string is one of the accepted ones. */
  oneOf(
    subject: CheckSubject | undefined,
    name: string,
    code: Code,
    expected: readonly string[],
    actual: unknown,
  ): boolean {
    return this.add(subject, name, code, typeof actual === 'string' && expected.includes(actual), { expected, actual });
  }

  /** Adds a check that failed because what it looks at is not there. */
  absent(subject: CheckSubject, name: string, code: Code, expected: unknown): void {
    this.add(subject, name, code, false, { expected, actual: 'absent' });
  }

  /** Adds a check that several things may be wrong with. */
  faultless(
    subject: CheckSubject | undefined,
    name: string,
    code: Code,
    faults: readonly string[],
    expected: unknown,
  ): boolean {
    const ok = faults.length === 0;
    return this.add(subject, name, code, ok, { expected, actual: ok ? expected : faults.join(', ') });
  }

  /** Adds whether a signature is valid. */
  signature(subject: CheckSubject, name: string, code: Code, isValid: boolean): boolean {
    return this.faultless(subject, name, code, isValid ? [] : ['not valid'], 'valid');
  }

  /** What `read` makes of untrusted input; what it throws is the reason of a check that failed. */
  read<T>(subject: CheckSubject, name: string, code: Code, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.add(subject, name, code, false, { actual: messageOf(error) });
      return undefined;
    }
  }

  /** A check that could not be made, because one before it left nothing to look at: counts as failed. */
  notChecked(subject: CheckSubject, name: string, why: string): void {
    this.#add({ subject, name, ok: false, code: 'ERR_NOT_CHECKED', skipped: false, values: { actual: why } });
  }

  /** A check that nothing called for: counts as passed and says so. */
  skipped(subject: CheckSubject, name: string, why: string): void {
    this.#add({ subject, name, ok: true, code: 'ERR_NOT_CHECKED', skipped: true, values: { actual: why } });
  }

  get ok(): boolean {
    return this.#failures === 0;
  }

  /** How many checks have failed so far: two of these numbers say whether anything between them has. */
  get failures(): number {
    return this.#failures;
  }

  /** Every check, for those who do not read the values. */
  get outcomes(): readonly Outcome<Code>[] {
    return this.#findings;
  }

  /** Every check in words. */
  get checks(): Check[] {
    this.#words ??= this.#findings.map(inWords);
    return this.#words;
  }

  /** The first check that failed; undefined when none did. */
  get firstFailure(): Check | undefined {
    const failed = this.#findings.find(({ ok }) => !ok);
    return failed === undefined ? undefined : inWords(failed);
  }
}

/**
 * Gives results a member that is made when it is read: most who verify never do. One getter for all results: with a getter of
 * its own each would be an object of another shape, and shapes are kept until the next full garbage collection.
 */
/* @__NO_SIDE_EFFECTS__ */ export function madeWhenRead<Name extends string, Value>(name: Name) {
  const maker = Symbol(name);
  const shown: PropertyDescriptor & ThisType<{ readonly [maker]: () => Value }> = {
    get: function () {
      return this[maker]();
    },
    enumerable: true,
    configurable: true,
  };
  return <Result extends object>(result: Result, make: () => Value): Result & Record<Name, Value> => {
    Object.defineProperty(result, maker, { value: make });
    return Object.defineProperty(result, name, shown) as Result & Record<Name, Value>;
  };
}

const addChecks = /* @__PURE__ */ madeWhenRead<'checks', Check[]>('checks');

/** Gives a result its `checks`, put into words when they are first read. */
export function withChecks<Result extends object>(result: Result, list: CheckList): Result & { checks: Check[] } {
  return addChecks(result, () => list.checks);
}

function inWords({ subject, name, ok, code, skipped, values }: Finding<string>): Check {
  const { expected, actual } = values ?? {};
  const check: Check = { name, ok };
  if (subject !== undefined) check.subject = subject;
  if (skipped) check.skipped = true;
  if (!ok) check.code = code;
  if (expected !== undefined)
    check.expected = Array.isArray(expected) ? expected.join(' or ') || 'none' : String(plain(expected));
  // What is missing where something was expected must not look like a check without values.
  if (actual !== undefined || expected !== undefined) check.actual = shown(plain(actual));
  return check;
}

function plain(value: unknown): unknown {
  if (typeof value === 'function') return plain(value());
  if (isBytes(value)) return hex(value);
  return value instanceof Date ? value.toISOString() : value;
}

/** Room for a digest in hex. */
const MAX_SHOWN = 256;

/** A value out of untrusted input in a few words: scalars, cut short. */
function shown(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
