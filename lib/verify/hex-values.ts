import { hex } from '../base/hex.js';
import type { CheckList } from './check-codes.js';
import type { HexValues } from './policy.js';

/** Compares bytes with hex digits or a list of them, case left aside. */
export function checkHex(
  list: CheckList,
  subject: 'policy' | 'pcrs',
  name: string,
  expected: HexValues,
  actual: Uint8Array,
): boolean {
  const found = hex(actual);
  return list.add(subject, name, 'ERR_POLICY', includesHex(expected, found), { expected, actual: found });
}

/** Whether lower-case hex digits are among those of a policy. */
export function includesHex(values: HexValues, found: string): boolean {
  return [values].flat().some((value) => value.toLowerCase() === found);
}
