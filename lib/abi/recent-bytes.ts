import { copyBytes, holdsAt } from '../base/bytes.js';

/** Longer than what any genuine certificate repeats. */
const LONGEST = 511;
const SAMPLES = 16;

interface Entry<Value> {
  readonly bytes: Uint8Array;
  readonly value: Value;
}

/** A reader of values that are seldom new, and that it gives again: nobody may change what it gives. */
/* @__NO_SIDE_EFFECTS__ */ export function recently<Value>(
  places: number,
  read: (value: Uint8Array, structure: string) => Value,
): (value: Uint8Array, structure: string) => Value {
  const recent = new RecentBytes<Value>(places);
  return (value, structure) =>
    recent.find(value, 0, value.length) ?? recent.add(value, 0, value.length, read(value, structure));
}

/**
 * Remembers what byte strings were read as, the last two for each pair of `places` (a power of two): certificates repeat names,
 * identifiers and algorithms, and to read them again is costly. Longer ones than any genuine certificate has are not kept.
 */
export class RecentBytes<Value> {
  readonly #entries: (Entry<Value> | undefined)[];

  constructor(places: number) {
    this.#entries = new Array(places).fill(undefined);
  }

  find(bytes: Uint8Array, start: number, end: number): Value | undefined {
    const place = this.#placeOf(bytes, start, end);
    for (const entry of [this.#entries[place], this.#entries[place ^ 1]]) {
      if (entry !== undefined && holdsAt(bytes, start, end, entry.bytes)) return entry.value;
    }
    return undefined;
  }

  /** Gives `value`. */
  add(bytes: Uint8Array, start: number, end: number, value: Value): Value {
    if (end - start > LONGEST) return value;
    const place = this.#placeOf(bytes, start, end);
    this.#entries[place ^ 1] = this.#entries[place];
    this.#entries[place] = { bytes: copyBytes(bytes.subarray(start, end)), value };
    return value;
  }

  #placeOf(bytes: Uint8Array, start: number, end: number): number {
    const step = 1 + Math.floor((end - start) / SAMPLES);
    let place = end - start;
    for (let at = start; at < end; at += step) place = Math.imul(place ^ (bytes[at] as number), 0x0100_0193);
    return (place ^ (place >>> 15)) & (this.#entries.length - 1);
  }
}
