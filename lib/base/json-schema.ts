import { canonicalJson } from './canonical-json.js';
import { isJsonObject } from './strict-json.js';

/**
 * Checks JSON values against a schema, without generating code: it runs under a strict Content-Security-Policy, and costs a
 * hundredth of a general validator. Knows the keywords below; `scripts/policy-schema.mjs` refuses to build a schema with
 * others.
 *
 * Source: JSON Schema 2020-12, Validation.
 */
export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: JsonType | readonly JsonType[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly if?: JsonSchema;
  readonly then?: JsonSchema;
  readonly else?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly minProperties?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

export type JsonType = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null';

/** What is wrong with a value by a schema, a sentence for every fault; empty when nothing is. */
export function schemaFaults(schema: JsonSchema, value: unknown): string[] {
  return faultsBy(schema, schema, value, '');
}

function faultsBy(root: JsonSchema, schema: JsonSchema, value: unknown, path: string): string[] {
  const faults: string[] = [];
  new Checker(root, faults).check(schema, value, path);
  return faults;
}

class Checker {
  constructor(
    readonly root: JsonSchema,
    readonly faults: string[],
  ) {}

  check(schema: JsonSchema, value: unknown, path: string): void {
    if (schema.$ref !== undefined) this.check(this.#definition(schema.$ref), value, path);
    this.#checkAny(schema, value, path);
    if (typeof value === 'string') this.#checkText(schema, value, path);
    if (typeof value === 'number') this.#checkNumber(schema, value, path);
    if (Array.isArray(value)) this.#checkArray(schema, value, path);
    if (isJsonObject(value)) this.#checkObject(schema, value, path);
  }

  #fault(path: string, message: string): void {
    this.faults.push(`${path === '' ? 'it' : `'${path}'`} must ${message}`);
  }

  #definition(ref: string): JsonSchema {
    const definition = this.root.$defs?.[ref.replace('#/$defs/', '')];
    if (definition === undefined) throw new RangeError(`the schema has no ${ref}`);
    return definition;
  }

  #faultsOf(schema: JsonSchema, value: unknown, path: string): string[] {
    return faultsBy(this.root, schema, value, path);
  }

  #checkAny(schema: JsonSchema, value: unknown, path: string): void {
    const { type, enum: values, anyOf, allOf = [], oneOf, not, if: condition } = schema;
    if (type !== undefined && ![type].flat().some((one) => isOfType(value, one as JsonType))) {
      this.#fault(path, `be ${[type].flat().join(' or ')}`);
    }
    if ('const' in schema && value !== schema.const) this.#fault(path, `be ${JSON.stringify(schema.const)}`);
    if (values !== undefined && !values.includes(value)) {
      this.#fault(path, `be one of ${values.map((one) => JSON.stringify(one)).join(', ')}`);
    }
    for (const one of allOf) this.check(one, value, path);
    if (anyOf !== undefined) {
      const branches = anyOf.map((one) => this.#faultsOf(one, value, path));
      if (branches.every((faults) => faults.length > 0)) this.faults.push(...new Set(branches.flat()));
    }
    if (oneOf !== undefined) {
      const branches = oneOf.map((one) => this.#faultsOf(one, value, path));
      const good = branches.filter((faults) => faults.length === 0).length;
      if (good === 0) this.faults.push(...new Set(branches.flat()));
      else if (good > 1) this.#fault(path, 'be of one form only');
    }
    if (not !== undefined && this.#faultsOf(not, value, path).length === 0) this.#fault(path, 'NOT be valid so');
    if (condition !== undefined) {
      const branch = this.#faultsOf(condition, value, path).length === 0 ? schema.then : schema.else;
      if (branch !== undefined) this.check(branch, value, path);
    }
  }

  #checkText({ pattern, minLength, maxLength }: JsonSchema, text: string, path: string): void {
    if (pattern !== undefined && !new RegExp(pattern, 'u').test(text)) this.#fault(path, `match pattern "${pattern}"`);
    // Code points, as the specification counts.
    const length = minLength === undefined && maxLength === undefined ? 0 : [...text].length;
    if (minLength !== undefined && length < minLength) this.#fault(path, `NOT have fewer than ${minLength} characters`);
    if (maxLength !== undefined && length > maxLength) this.#fault(path, `NOT have more than ${maxLength} characters`);
  }

  #checkNumber({ minimum, maximum }: JsonSchema, number: number, path: string): void {
    if (minimum !== undefined && number < minimum) this.#fault(path, `be >= ${minimum}`);
    if (maximum !== undefined && number > maximum) this.#fault(path, `be <= ${maximum}`);
  }

  #checkArray(schema: JsonSchema, array: readonly unknown[], path: string): void {
    const { items, minItems, maxItems, uniqueItems } = schema;
    if (minItems !== undefined && array.length < minItems) this.#fault(path, `NOT have fewer than ${minItems} items`);
    if (maxItems !== undefined && array.length > maxItems) this.#fault(path, `NOT have more than ${maxItems} items`);
    if (uniqueItems === true && new Set(array.map((item) => canonicalJson(item))).size < array.length) {
      this.#fault(path, 'NOT have duplicate items');
    }
    if (items !== undefined) array.forEach((item, index) => void this.check(items, item, joined(path, String(index))));
  }

  #checkObject(schema: JsonSchema, object: Readonly<Record<string, unknown>>, path: string): void {
    const { properties = {}, patternProperties = {}, additionalProperties, minProperties } = schema;
    const names = Object.keys(object);
    if (minProperties !== undefined && names.length < minProperties) {
      this.#fault(path, `NOT have fewer than ${minProperties} properties`);
    }
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(object, name)) this.#fault(path, `have the member '${name}'`);
    }
    for (const [name, needed] of Object.entries(schema.dependentRequired ?? {})) {
      const missing = Object.hasOwn(object, name) ? needed.find((other) => !Object.hasOwn(object, other)) : undefined;
      if (missing !== undefined) this.#fault(path, `have the member '${missing}' beside '${name}'`);
    }
    for (const name of names) {
      const where = joined(path, name);
      const known = Object.hasOwn(properties, name) ? [properties[name] as JsonSchema] : [];
      for (const [pattern, member] of Object.entries(patternProperties)) {
        if (new RegExp(pattern, 'u').test(name)) known.push(member);
      }
      for (const member of known) this.check(member, object[name], where);
      if (known.length > 0 || additionalProperties === undefined || additionalProperties === true) continue;
      if (additionalProperties === false) this.faults.push(`unknown member '${where}'`);
      else this.check(additionalProperties, object[name], where);
    }
  }
}

const joined = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case 'object':
      return isJsonObject(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}
