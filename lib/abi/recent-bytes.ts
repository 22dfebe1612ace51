import { copyBytes, holdsAt } from '../base/bytes.js';

/**
 * Remembers what byte strings were read as, the last one for each of `places` (a power of two): certificates repeat names and
 * identifiers, and their text is costly. Longer ones than any genuine certificate has are read each time.
 */
/* @__NO_SIDE_EFFECTS__ */ export function remembering<Value>(places: number) {
  const entries = new Array<{ readonly bytes: Uint8Array; readonly value: Value } | undefined>(places).fill(undefined);
  return (bytes: Uint8Array, start: number, end: number, read: () => Value): Value => {
    let place = 0;
    for (let at = start; at < end; at++) place = (place * 33 + (bytes[at] as number)) & (places - 1);
    const known = entries[place];
    if (known !== undefined && holdsAt(bytes, start, end, known.bytes)) return known.value;
    const value = read();
    if (end - start < 512) entries[place] = { bytes: copyBytes(bytes.subarray(start, end)), value };
    return value;
  };
}
