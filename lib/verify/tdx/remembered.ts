import { equalBytes } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';

type Input = Uint8Array | string;

interface Entry<Value> {
  readonly engine: SignatureEngine;
  readonly inputs: readonly Input[];
  readonly value: Value;
}

/**
 * What was made of inputs whose signatures are all good, found again by comparing the inputs byte for byte. Only what cannot
 * change is remembered: never whether a date, a root or a revocation is good. The inputs are the verifier's own copies.
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
    const index = this.#entries.findIndex((entry) => entry.engine === engine && sameInputs(entry.inputs, inputs));
    const [found] = index < 0 ? [] : this.#entries.splice(index, 1);
    if (found === undefined) return undefined;
    this.#entries.unshift(found);
    return found.value;
  }

  add(engine: SignatureEngine, inputs: readonly Input[], value: Value): void {
    if (inputs.reduce((sum, input) => sum + input.length, 0) > this.#largest) return;
    this.#entries.unshift({ engine, inputs, value });
    this.#entries.length = Math.min(this.#entries.length, this.#limit);
  }

  /** Forgets everything. For measurements. */
  clear(): void {
    this.#entries.length = 0;
  }
}

function sameInputs(one: readonly Input[], other: readonly Input[]): boolean {
  return one.length === other.length && one.every((input, index) => sameInput(input, other[index] ?? ''));
}

function sameInput(one: Input, other: Input): boolean {
  return typeof one === 'string' || typeof other === 'string' ? one === other : equalBytes(one, other);
}
