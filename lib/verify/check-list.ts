import type { Check, CheckSubject } from '../base/errors.js';
import type { CheckCode } from './check-codes.js';

/** Collects checks in the order in which they are made; a verifier adds every one, whatever became of those before. */
export class CheckList {
  readonly checks: Check[] = [];

  /** Adds one outcome; `expected` and `actual` are kept whether it passed or not. */
  add(
    subject: CheckSubject,
    name: string,
    code: CheckCode,
    ok: boolean,
    values: { expected?: string; actual?: string } = {},
  ): boolean {
    const check: Check = { name, ok, subject };
    if (!ok) check.code = code;
    if (values.expected !== undefined) check.expected = values.expected;
    if (values.actual !== undefined) check.actual = values.actual;
    this.checks.push(check);
    return ok;
  }

  equal(subject: CheckSubject, name: string, code: CheckCode, expected: string, actual: string): boolean {
    return this.add(subject, name, code, expected === actual, { expected, actual });
  }

  /** A check that could not be made, because one before it left nothing to look at: counts as failed. */
  notChecked(subject: CheckSubject, name: string, why: string): void {
    this.checks.push({ name, ok: false, subject, code: 'ERR_NOT_CHECKED', actual: why });
  }

  /** A check that nothing called for: counts as passed and says so. */
  skipped(subject: CheckSubject, name: string, why: string): void {
    this.checks.push({ name, ok: true, subject, skipped: true, actual: why });
  }

  get ok(): boolean {
    return this.checks.every((check) => check.ok);
  }
}
