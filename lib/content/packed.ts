import { types } from 'node:util';
import { invalid } from './errors.js';

const typedArray = Object.getPrototypeOf(Uint32Array.prototype) as object;
const lengthOf = Object.getOwnPropertyDescriptor(typedArray, 'length')?.get as (this: unknown) => number;

/**
 * Messages one behind the other in one buffer: what `encryptPacked` and `decryptPacked` return. The views share the
 * buffer's memory and are made when they are asked for.
 */
export class PackedMessages implements Iterable<Buffer> {
  /** All messages, back to back. */
  readonly packed: Buffer;
  /** Bytes of each. */
  readonly lengths: Uint32Array;
  #offsets: Float64Array | undefined;

  constructor(packed: Buffer, lengths: Uint32Array) {
    this.packed = packed;
    this.lengths = lengths;
  }

  /** Number of messages. */
  get length(): number {
    return this.lengths.length;
  }

  /** A view of message `index`; a negative index counts from the end. */
  at(index: number): Buffer | undefined {
    const i = index < 0 ? index + this.length : index;
    const size = this.lengths[i];
    if (size === undefined) return undefined;
    this.#offsets ??= offsetsOf(this.lengths);
    const start = this.#offsets[i] as number;
    return this.packed.subarray(start, start + size);
  }

  /** Views of all messages. */
  toArray(): Buffer[] {
    return [...this];
  }

  *[Symbol.iterator](): IterableIterator<Buffer> {
    let start = 0;
    for (const size of this.lengths) {
      yield this.packed.subarray(start, start + size);
      start += size;
    }
  }
}

function offsetsOf(lengths: Uint32Array): Float64Array {
  const offsets = new Float64Array(lengths.length);
  for (let i = 0, at = 0; i < lengths.length; i++) {
    offsets[i] = at;
    at += lengths[i] as number;
  }
  return offsets;
}

/** Lengths of messages as given and as they come out, `growth` bytes longer each (shorter, when negative). */
export function resultLengths(
  lengths: Uint32Array | readonly number[],
  growth: number,
): { input: Uint32Array; output: Uint32Array; total: number } {
  const isTyped = types.isUint32Array(lengths);
  if (!isTyped && !Array.isArray(lengths)) throw invalid('lengths must be a Uint32Array or an array of numbers');
  const input = isTyped ? copyOf(lengths) : Uint32Array.from(lengths);
  const output = new Uint32Array(input.length);
  let total = 0;
  for (let i = 0; i < input.length; i++) {
    const size = input[i] as number;
    if (!isTyped && size !== lengths[i]) throw invalid('lengths must be integers from 0 to 2^32 - 1');
    const result = size + growth;
    if (result < 0) throw invalid('a packed message is shorter than its number and tag');
    if (result > 0xffff_ffff) throw invalid('a packed message is too long');
    output[i] = result;
    total += result;
  }
  return { input, output, total };
}

/** Of the elements that there are, whatever a subclass says of its length. */
function copyOf(lengths: Uint32Array): Uint32Array {
  const copy = new Uint32Array(lengthOf.call(lengths));
  copy.set(lengths);
  return copy;
}

/** Cuts one buffer into views of the sizes given. */
export function cut(buffer: Buffer, sizes: readonly number[]): Buffer[] {
  let start = 0;
  return sizes.map((size) => {
    const view = buffer.subarray(start, start + size);
    start += size;
    return view;
  });
}
