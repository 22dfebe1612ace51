import { type CheckedValues, CheckList } from '../base/checks.js';
import type { TokenErrorCode } from './errors.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The checks of a token. */
export class TokenChecks extends CheckList<TokenErrorCode> {
  /** Adds an outcome. */
  found(name: string, code: TokenErrorCode, ok: boolean, values?: CheckedValues): void {
    this.add(undefined, name, code, ok, values);
  }

  /** Compares a claim with the value, or with the list of accepted values, that the policy has; undefined demands nothing. */
  claim(name: string, code: TokenErrorCode, expected: unknown, actual: unknown): void {
    if (expected === undefined) return;
    const ok = Array.isArray(expected) ? expected.includes(actual) : expected === actual;
    this.found(name, code, ok, { expected, actual });
  }
}

/** Hex digits and GUIDs are compared without regard to case. */
export function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

/** A member by a name that may be one of every object's. */
export function own(from: JsonObject, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}
