import { byteLength, copyBytes, isBytes } from './bytes.js';
import { type Logger, quietLogger } from './logger.js';
import { invalid, type OptionKind, waiting } from './options.js';

/** The kinds of values that options have; `lib/base/options.ts` says how a table of them is used. */

/* @__NO_SIDE_EFFECTS__ */ function kind<T>(is: (value: unknown) => value is T, words: string): OptionKind<T> {
  return {
    check: (value, name) => {
      if (!is(value)) throw invalid(`${name} must be ${words}${waiting(value)}`);
      return value;
    },
  };
}

/** `true` or `false`; `'false'`, `0` and `null` are neither. */
export const flag: OptionKind<boolean> = kind((value) => typeof value === 'boolean', 'true or false');

/** Text that is not empty. */
export const text: OptionKind<string> = kind(
  (value): value is string => typeof value === 'string' && value !== '',
  'a non-empty string',
);

/** Text, the empty one included. */
export const anyText: OptionKind<string> = kind((value) => typeof value === 'string', 'a string');

export const callable = /* @__NO_SIDE_EFFECTS__ */ <T extends (...parameters: never[]) => unknown>(): OptionKind<T> =>
  kind((value): value is T => typeof value === 'function', 'a function');

/** Taken as it is: for what cannot be checked or copied here, because the function that uses it does so. */
export const unchecked = /* @__NO_SIDE_EFFECTS__ */ <T>(): OptionKind<T> => ({ check: (value) => value as T });

/** What `check` makes of the value; it throws {@link invalid} for what it does not take. */
export const custom = /* @__NO_SIDE_EFFECTS__ */ <T>(check: (value: unknown, name: string) => T): OptionKind<T> => ({
  check,
});

/** Text that matches `pattern`, which has to be anchored. */
export const textLike = /* @__NO_SIDE_EFFECTS__ */ (pattern: RegExp, words: string): OptionKind<string> =>
  kind((value): value is string => typeof value === 'string' && pattern.test(value), words);

/** Hex digits of `size` bytes, in upper or lower case. */
export const hexText = /* @__NO_SIDE_EFFECTS__ */ (size: number): OptionKind<string> =>
  textLike(new RegExp(`^[0-9a-f]{${2 * size}}$`, 'i'), `${size} bytes in hex`);

/* @__NO_SIDE_EFFECTS__ */ export function oneOf<const T extends string | number | boolean | null>(
  ...values: readonly T[]
): OptionKind<T> {
  return kind((value): value is T => (values as readonly unknown[]).includes(value), values.join(' or '));
}

/** A whole number from `min` to `max`. */
/* @__NO_SIDE_EFFECTS__ */ export function integer(min: number, max: number): OptionKind<number> {
  const within = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
  return kind(within, `a whole number from ${min} to ${max}`);
}

/** A number from `min` to `max`, fractions included. */
/* @__NO_SIDE_EFFECTS__ */ export function numberWithin(min: number, max: number): OptionKind<number> {
  const within = (value: unknown): value is number => typeof value === 'number' && value >= min && value <= max;
  return kind(within, `a number from ${min} to ${max}`);
}

/** Longer times do not fit the timers of most runtimes. */
const MAX_MILLISECONDS = 2 ** 31 - 1;
/** A time in milliseconds that a timer takes. */
export const milliseconds: OptionKind<number> = integer(1, MAX_MILLISECONDS);

/** Bytes, from `min` to `max` of them; copied. */
/* @__NO_SIDE_EFFECTS__ */ export function bytes(min = 0, max = Number.MAX_SAFE_INTEGER): OptionKind<Uint8Array> {
  const size = max === Number.MAX_SAFE_INTEGER ? (min === 0 ? '' : ` of ${min} bytes or more`) : sizeInWords(min, max);
  return {
    check: (value, name) => {
      if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array${size}${waiting(value)}`);
      const length = byteLength(value);
      if (length < min || length > max) throw invalid(`${name} must be a Uint8Array${size}`);
      return copyBytes(value);
    },
  };
}

const sizeInWords = (min: number, max: number): string =>
  min === max ? ` of ${min} bytes` : ` of ${min} to ${max} bytes`;

/** A date that is one; copied. */
export const date: OptionKind<Date> = {
  check: (value, name) => {
    const time =
      Object.prototype.toString.call(value) === '[object Date]' ? Date.prototype.getTime.call(value) : Number.NaN;
    if (Number.isNaN(time)) throw invalid(`${name} must be a valid Date`);
    return new Date(time);
  },
};

/** An AbortSignal, of this realm or another one. */
export const abortSignal: OptionKind<AbortSignal> = kind(
  (value): value is AbortSignal =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<AbortSignal>).aborted === 'boolean' &&
    typeof (value as Partial<AbortSignal>).addEventListener === 'function',
  'an AbortSignal',
);

const loggerMethods = /* @__PURE__ */ withMethods<Logger>('debug', 'info', 'warn', 'error');

/** An object with the methods of a {@link Logger}, of any class. A failure of its own changes nothing. */
export const logger: OptionKind<Logger> = {
  check: (value, name) => quietLogger(loggerMethods.check(value, name)),
};

/** An object of any class that has these methods. */
/* @__NO_SIDE_EFFECTS__ */ export function withMethods<T extends object>(
  ...methods: readonly (keyof T & string)[]
): OptionKind<T> {
  return {
    check: (value, name) => {
      const missing = methods.find((method) => typeof (value as Partial<T> | null)?.[method] !== 'function');
      if (missing !== undefined) throw invalid(`${name} must have the method ${missing}`);
      return value as T;
    },
  };
}

/** A list of `min` or more values of one kind; copied. */
/* @__NO_SIDE_EFFECTS__ */ export function listOf<T>(of: OptionKind<T>, min = 0, max = 65_536): OptionKind<T[]> {
  return {
    check: (value, name) => {
      if (!Array.isArray(value)) throw invalid(`${name} must be a list${waiting(value)}`);
      // Read once: a Proxy may say something else the next time.
      const { length } = value;
      if (!(length >= min && length <= max)) throw invalid(`${name} must be a list of ${min} to ${max} values`);
      return Array.from({ length }, (_, index) => of.check(value[index], `${name}[${index}]`));
    },
  };
}

/** A list without two equal values. */
export const distinct = /* @__NO_SIDE_EFFECTS__ */ <T extends string | number>(of: OptionKind<T[]>): OptionKind<T[]> =>
  custom((value, name) => {
    const values = of.check(value, name);
    if (new Set(values).size < values.length) throw invalid(`${name} must not hold a value twice`);
    return values;
  });

/** A list by one kind, what is no list by another. */
export const listOr = /* @__NO_SIDE_EFFECTS__ */ <List, Other>(
  list: OptionKind<List>,
  other: OptionKind<Other>,
): OptionKind<List | Other> =>
  custom((value, name) => (Array.isArray(value) ? list : (other as OptionKind<List | Other>)).check(value, name));

/** An object with one member or more. */
export const nonEmpty = /* @__NO_SIDE_EFFECTS__ */ <T extends object>(of: OptionKind<T>): OptionKind<T> =>
  custom((value, name) => {
    const members = of.check(value, name);
    if (Object.keys(members).length === 0) throw invalid(`${name} must not be empty`);
    return members;
  });

/** One value or a list of at least one. */
/* @__NO_SIDE_EFFECTS__ */ export function oneOrMore<T>(of: OptionKind<T>): OptionKind<T[]> {
  const list = listOf(of, 1);
  return { check: (value, name) => (Array.isArray(value) ? list.check(value, name) : [of.check(value, name)]) };
}

/** The first kind that takes the value. `words` say what there is. */
/* @__NO_SIDE_EFFECTS__ */ export function either<One, Other>(
  one: OptionKind<One>,
  other: OptionKind<Other>,
  words: string,
): OptionKind<One | Other> {
  return {
    check: (value, name) => {
      for (const of of [one, other] as const) {
        try {
          return of.check(value, name);
        } catch {
          // The next one may take it.
        }
      }
      throw invalid(`${name} must be ${words}${waiting(value)}`);
    },
  };
}

/** Bytes or text that is not empty: certificates come as DER or PEM. Bytes are copied. */
export const bytesOrText: OptionKind<Uint8Array | string> = {
  check: (value, name) => {
    if (typeof value === 'string' && value !== '') return value;
    if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array or a string${waiting(value)}`);
    return copyBytes(value);
  },
};

/** A URL, as an object or as text; copied. */
export const url: OptionKind<URL> = {
  check: (value, name) => {
    const href = typeof value === 'string' ? value : value instanceof URL ? value.href : undefined;
    if (href === undefined) throw invalid(`${name} must be a URL${waiting(value)}`);
    if (!URL.canParse(href)) throw invalid(`${name} must be a URL with a scheme, such as https://…`);
    return new URL(href);
  },
};
