import { invalid } from './options.js';

const MAXIMUM_DEPTH = 8;
const MAXIMUM_VALUES = 65_536;

/**
 * A copy of JSON-like data that a caller gives as an option, a policy for instance: plain objects, arrays, texts, finite
 * numbers, true, false and null. A Map, an object of a class, a getter, a symbol or an `undefined` would lose a demand
 * without a word.
 *
 * @throws {AttestationError} 8
 */
export function plainJson(value: unknown, name: string): unknown {
  let left = MAXIMUM_VALUES;
  const copy = (given: unknown, path: string, depth: number): unknown => {
    if (--left < 0) throw invalid(`${name} holds too many values`);
    switch (typeof given) {
      case 'string':
      case 'boolean':
        return given;
      case 'number':
        if (!Number.isFinite(given)) throw invalid(`${path} is not a finite number`);
        return given;
      case 'object':
        break;
      default:
        throw invalid(`${path} is ${given === undefined ? 'given but undefined' : `a ${typeof given}`}`);
    }
    if (given === null) return null;
    if (depth === MAXIMUM_DEPTH) throw invalid(`${name} is nested too deep`);
    return Array.isArray(given)
      ? Array.from({ length: given.length }, (_, index) => copy(given[index], `${path}[${index}]`, depth + 1))
      : copyObject(given, path, (member, memberPath) => copy(member, memberPath, depth + 1));
  };
  return copy(value, name, 0);
}

function copyObject(
  given: object,
  path: string,
  copy: (member: unknown, path: string) => unknown,
): Record<string, unknown> {
  const prototype: unknown = Reflect.getPrototypeOf(given);
  // The second form is Object.prototype of another realm.
  const isPlain =
    prototype === null || prototype === Object.prototype || Object.hasOwn(prototype as object, 'propertyIsEnumerable');
  if (!isPlain) throw invalid(`${path} must be a plain object, not a Map, a promise or an object of a class`);
  const result: Record<string, unknown> = {};
  for (const name of Reflect.ownKeys(given)) {
    const property = Reflect.getOwnPropertyDescriptor(given, name);
    if (typeof name === 'symbol' || property === undefined || !('value' in property) || !property.enumerable) {
      throw invalid(`${path}.${String(name).slice(0, 60)} must be a plain value, not a getter or a symbol`);
    }
    const value = copy(property.value, `${path}.${name.slice(0, 60)}`);
    Object.defineProperty(result, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return result;
}
