import { copyBytes, holdsAt } from '../base/bytes.js';

/** Longer than what any genuine certificate repeats. */
const LONGEST = 511;
const SAMPLES = 16;

/**
 * A reader of bytes from `start` to `end` that remembers what it has read, the last two values for each pair of `places` (a
 * power of two): certificates repeat names, identifiers and algorithms, and to read them again is costly. What is longer than
 * in any genuine certificate is not kept. The values are shared: nobody may change them, and they hold no view of the bytes.
 */
/* @__NO_SIDE_EFFECTS__ */ export function recently<Value>(
  places: number,
  read: (bytes: Uint8Array, structure: string, start: number, end: number) => Value,
): (bytes: Uint8Array, structure: string, start?: number, end?: number) => Value {
  const entries = new Array<{ readonly bytes: Uint8Array; readonly value: Value } | undefined>(places).fill(undefined);
  return (bytes, structure, start = 0, end = bytes.length) => {
    const step = 1 + Math.floor((end - start) / SAMPLES);
    let hash = end - start;
    for (let at = start; at < end; at += step) hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
    const place = (hash ^ (hash >>> 15)) & (places - 1);
    const known = entries[place];
    if (known !== undefined && holdsAt(bytes, start, end, known.bytes)) return known.value;
    const other = entries[place ^ 1];
    if (other !== undefined && holdsAt(bytes, start, end, other.bytes)) return other.value;
    const value = read(bytes, structure, start, end);
    if (end - start > LONGEST) return value;
    entries[place ^ 1] = known;
    entries[place] = { bytes: copyBytes(bytes.subarray(start, end)), value };
    return value;
  };
}
