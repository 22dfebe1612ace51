import { bytesFromHex } from '../base/hex.js';
import { isJsonObject } from '../base/strict-json.js';
import { utcDate } from '../base/utc-date.js';
import { malformed } from './input.js';

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const ZERO = 0x30;

/**
 * Members of Intel's signed documents. Members that are not known are left alone, since Intel adds some from time to time;
 * those that are known must be what they are said to be.
 */
export class IntelJson {
  readonly members: Readonly<Record<string, unknown>>;
  readonly #name: string;
  readonly #parent: IntelJson | undefined;
  readonly #index: number | undefined;

  /** `name` names the object for messages, inside of `parent` where there is one, at `index` of a list. */
  constructor(value: unknown, name: string, parent?: IntelJson, index?: number) {
    this.#name = name;
    this.#parent = parent;
    this.#index = index;
    if (!isJsonObject(value)) throw malformed(this.#path, 'not an object');
    this.members = value;
  }

  /** Only for messages: hundreds of objects are read, and few are refused. */
  get #path(): string {
    const name = this.#index === undefined ? this.#name : `${this.#name}[${this.#index}]`;
    return this.#parent === undefined ? name : `${this.#parent.#path}.${name}`;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.members, name);
  }

  text(name: string): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length > 256) throw this.#fault(name, 'a string');
    return value;
  }

  /** Text, or undefined when it is not there. */
  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  /** A whole number of 0 to `maximum`. */
  number(name: string, maximum: number): number {
    const value = this.#take(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > maximum) {
      throw this.#fault(name, `a whole number of 0 to ${maximum}`);
    }
    return value;
  }

  /** `size` bytes in hex of either case. */
  hex(name: string, size: number): Uint8Array {
    const text = this.text(name);
    const bytes = text.length === 2 * size ? bytesFromHex(text) : undefined;
    if (bytes === undefined) throw this.#fault(name, `${2 * size} hex digits`);
    return bytes;
  }

  /** ISO 8601 with seconds and Z, as Intel writes it. */
  date(name: string): Date {
    const text = this.text(name);
    const pair = (at: number): number => (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO;
    const date = DATE.test(text)
      ? utcDate(pair(0) * 100 + pair(2), pair(5), pair(8), pair(11), pair(14), pair(17))
      : undefined;
    if (date === undefined) throw this.#fault(name, 'a time with seconds and Z');
    return date;
  }

  oneOf<const Word extends string>(name: string, words: readonly Word[]): Word {
    const text = this.text(name);
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw this.#fault(name, words.join(' or '));
    return word;
  }

  object(name: string): IntelJson {
    return new IntelJson(this.#take(name), name, this);
  }

  /** A list of objects, each as `read` reads it. */
  objects<Read>(name: string, minimum: number, maximum: number, read: (object: IntelJson) => Read): Read[] {
    return this.#list(name, minimum, maximum).map((value, index) => read(new IntelJson(value, name, this, index)));
  }

  /** A list of texts; none when it is not there. */
  texts(name: string): string[] {
    if (!this.has(name)) return [];
    return this.#list(name, 0, 256).map((value) => {
      if (typeof value !== 'string' || value.length > 64) throw this.#fault(name, 'a list of texts');
      return value;
    });
  }

  #list(name: string, minimum: number, maximum: number): unknown[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length < minimum || value.length > maximum) {
      throw this.#fault(name, minimum === maximum ? `a list of ${minimum}` : `a list of ${minimum} to ${maximum}`);
    }
    return value;
  }

  #take(name: string): unknown {
    if (!this.has(name)) throw this.#fault(name, 'there');
    return this.members[name];
  }

  #fault(name: string, expected: string): Error {
    return malformed(this.#path, `${name} must be ${expected}`);
  }
}
