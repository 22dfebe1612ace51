import type { CheckSubject } from '../../base/errors.js';
import type { CheckCode, CheckList, Judgement } from '../check-codes.js';
import { messageOf } from '../refusal.js';

/** Why there is nothing to look at. */
export interface Fault {
  readonly value?: undefined;
  readonly fault: string;
  /** What the part itself fails with. Without a code it is missing because of another one, which fails for both. */
  readonly code?: CheckCode | undefined;
  /** The relying party asked for none: nothing failed. */
  readonly skipped?: boolean;
}

/** A part of what is verified: what it holds, or why nothing can be said about it. */
export type Part<Value> = { readonly value: Value; readonly fault?: undefined } | Fault;

/** What `work` reads, or the fault that it finds. */
export function attempt<Value>(code: CheckCode, work: () => Value): Part<Value> {
  try {
    return { value: work() };
  } catch (error) {
    return { fault: messageOf(error), code };
  }
}

/** Two parts that a check needs both. */
export function both<One, Other>(one: Part<One>, other: Part<Other>): Part<readonly [One, Other]> {
  if (one.fault !== undefined) return dependent(one);
  return other.fault === undefined ? { value: [one.value, other.value] } : dependent(other);
}

/** A part as checks look at it that need what another check has judged. */
export function dependent<Any extends Part<unknown>>(part: Any): Any {
  return part.fault === undefined ? part : Object.assign({}, part, { code: undefined });
}

const SOUND: Judgement = { code: 'ERR_NOT_CHECKED', ok: true, actual: 'good' };

/**
 * Adds the check of a part: what `judge` finds of its value, its own fault, or why there is nothing to judge. So every check
 * is listed, whatever the outcome of those before, and is named in one place.
 */
export function checkPart<Value>(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  part: Part<Value>,
  judge: (value: Value) => Judgement = () => SOUND,
): Part<Value> {
  if (part.fault === undefined) {
    list.judged(subject, name, judge(part.value));
    return part;
  }
  if (part.code !== undefined) list.add(subject, name, part.code, false, { actual: part.fault });
  else if (part.skipped) list.skipped(subject, name, part.fault);
  else list.notChecked(subject, name, part.fault);
  return dependent(part);
}

/** Whether every check that `work` adds has passed or was skipped. */
export function passes(list: CheckList, work: () => void): boolean {
  const before = list.failures;
  work();
  return list.failures === before;
}
