import { AttestationError, ErrorCode } from './errors.js';

/** The names of all options of a type: `satisfies OptionNames<T>` holds a list to it. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * Refuses what is not an option: a misspelt expectation must not become one that nobody checks.
 *
 * @throws AttestationError 8
 */
export function refuseUnknownOptions(options: object, known: Readonly<Record<string, true>>): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const meant = Object.keys(known).find((name) => name.toLowerCase() === unknown.toLowerCase());
  const hint = meant === undefined ? `there are ${Object.keys(known).join(', ')}` : `did you mean ${meant}?`;
  throw new AttestationError(
    ErrorCode.INVALID_INPUT_PARAMETER,
    `there is no option ${JSON.stringify(unknown.slice(0, 60))}: ${hint}`,
  );
}
