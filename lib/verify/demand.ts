import type { CheckList } from './check-codes.js';

/** Adds whether the policy's demand of this name is met. */
export function demand(list: CheckList, name: string, ok: boolean, expected: unknown, actual: unknown): boolean {
  return list.add('policy', name, 'ERR_POLICY', ok, { expected, actual });
}

/** Adds whether a number is as high as the policy demands, where it does. */
export function demandAtLeast(
  list: CheckList,
  name: string,
  least: number | undefined,
  actual: number | undefined,
): void {
  if (least !== undefined) {
    demand(list, name, actual !== undefined && actual >= least, `at least ${least}`, actual ?? 'unknown');
  }
}

export function allowedText(allowed: boolean | undefined): string {
  return allowed === true ? 'allowed' : 'not allowed';
}
