/**
 * A row meets its target, misses it, or has none, or was not measured (`undefined`). It is missed only if the whole interval
 * of its median lies on the wrong side.
 */
export function verdict({ ratio, atLeast, atMost, interval = [ratio, ratio], quiet = true }) {
  if (!quiet || (atLeast === undefined && atMost === undefined)) return undefined;
  return interval[1] >= (atLeast ?? -Infinity) && interval[0] <= (atMost ?? Infinity);
}
