/** A whole number from 0 below a limit. */
export type Random = (below: number) => number;

/** Repeatable: the same numbers for the same seed (xorshift32). */
export function randomFrom(seed: number): Random {
  let state = (seed | 0) === 0 ? 1 : seed | 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
