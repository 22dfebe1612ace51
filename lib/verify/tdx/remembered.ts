import { copyBytes, viewOf } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';

type Input = Uint8Array | string;

interface Entry<Value> {
  readonly engine: SignatureEngine;
  readonly inputs: readonly Input[];
  readonly value: Value;
}

/**
 * What was made of inputs whose signatures are all good, found again by comparing the inputs byte for byte. Only what cannot
 * change is remembered: never whether a date, a root or a revocation is good.
 */
export class Remembered<Value> {
  readonly #entries: Entry<Value>[] = [];
  readonly #limit: number;
  readonly #largest: number;

  /** Keeps the `limit` entries used last, each of inputs of at most `largest` bytes together. */
  constructor(limit: number, largest: number) {
    this.#limit = limit;
    this.#largest = largest;
  }

  find(engine: SignatureEngine, inputs: readonly Input[]): Value | undefined {
    // By index: a list of pairs for each look is most of what a look costs.
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index] as Entry<Value>;
      if (entry.engine !== engine || !sameInputs(entry.inputs, inputs)) continue;
      if (index > 0) this.#entries.unshift(...this.#entries.splice(index, 1));
      return entry.value;
    }
    return undefined;
  }

  add(engine: SignatureEngine, inputs: readonly Input[], value: Value): void {
    if (inputs.reduce((sum, input) => sum + input.length, 0) > this.#largest) return;
    // Copies: what the caller gets in the result may lie in the same memory.
    const own = inputs.map((input) => (typeof input === 'string' ? input : copyBytes(input)));
    this.#entries.unshift({ engine, inputs: own, value });
    this.#entries.length = Math.min(this.#entries.length, this.#limit);
  }

  /** Forgets everything. For measurements. */
  clear(): void {
    this.#entries.length = 0;
  }
}

function sameInputs(one: readonly Input[], other: readonly Input[]): boolean {
  for (let at = 0; at < one.length; at++) if (!sameInput(one[at] as Input, other[at] ?? '')) return false;
  return one.length === other.length;
}

function sameInput(one: Input, other: Input): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.length === other.length && samePublicBytes(one, other);
}

/**
 * 16 bytes at a time, up to the first difference: chains and lists are public, and are compared for every quote. (Byte by
 * byte it takes six times as long.)
 */
function samePublicBytes(one: Uint8Array, other: Uint8Array): boolean {
  const left = viewOf(one);
  const right = viewOf(other);
  const difference = (at: number): number => left.getInt32(at, true) ^ right.getInt32(at, true);
  const blocks = one.length - (one.length % 16);
  for (let at = 0; at < blocks; at += 16) {
    if ((difference(at) | difference(at + 4) | difference(at + 8) | difference(at + 12)) !== 0) return false;
  }
  for (let at = blocks; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}
