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
  return faultsOf({ root: schema, faults: [] }, schema, value, '');
}

interface Context {
  readonly root: JsonSchema;
  readonly faults: string[];
}

function check(context: Context, schema: JsonSchema, value: unknown, path: string): void {
  if (schema.$ref !== undefined) check(context, definitionOf(context, schema.$ref), value, path);
  checkAny(context, schema, value, path);
  if (typeof value === 'string') checkText(context, schema, value, path);
  if (typeof value === 'number') checkNumber(context, schema, value, path);
  if (Array.isArray(value)) checkArray(context, schema, value, path);
  if (isJsonObject(value)) checkObject(context, schema, value, path);
}

function fault(context: Context, path: string, message: string): void {
  context.faults.push(`${path === '' ? 'it' : `'${path}'`} must ${message}`);
}

function definitionOf(context: Context, ref: string): JsonSchema {
  const definition = context.root.$defs?.[ref.replace('#/$defs/', '')];
  if (definition === undefined) throw new RangeError(`the schema has no ${ref}`);
  return definition;
}

/** Those of this value alone. */
function faultsOf(context: Context, schema: JsonSchema, value: unknown, path: string): string[] {
  const faults: string[] = [];
  check({ root: context.root, faults }, schema, value, path);
  return faults;
}

function checkAny(context: Context, schema: JsonSchema, value: unknown, path: string): void {
  const { type, enum: values, anyOf, allOf = [], oneOf, not, if: condition } = schema;
  if (type !== undefined && ![type].flat().some((one) => isOfType(value, one as JsonType))) {
    fault(context, path, `be ${[type].flat().join(' or ')}`);
  }
  if ('const' in schema && value !== schema.const) fault(context, path, `be ${JSON.stringify(schema.const)}`);
  if (values !== undefined && !values.includes(value)) {
    fault(context, path, `be one of ${values.map((one) => JSON.stringify(one)).join(', ')}`);
  }
  for (const one of allOf) check(context, one, value, path);
  if (anyOf !== undefined) {
    const branches = anyOf.map((one) => faultsOf(context, one, value, path));
    if (branches.every((faults) => faults.length > 0)) context.faults.push(...new Set(branches.flat()));
  }
  if (oneOf !== undefined) {
    const branches = oneOf.map((one) => faultsOf(context, one, value, path));
    const good = branches.filter((faults) => faults.length === 0).length;
    if (good === 0) context.faults.push(...new Set(branches.flat()));
    else if (good > 1) fault(context, path, 'be of one form only');
  }
  if (not !== undefined && faultsOf(context, not, value, path).length === 0) fault(context, path, 'NOT be valid so');
  if (condition !== undefined) {
    const branch = faultsOf(context, condition, value, path).length === 0 ? schema.then : schema.else;
    if (branch !== undefined) check(context, branch, value, path);
  }
}

function checkText(context: Context, { pattern, minLength, maxLength }: JsonSchema, text: string, path: string): void {
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(text)) fault(context, path, `match pattern "${pattern}"`);
  // Code points, as the specification counts.
  const length = minLength === undefined && maxLength === undefined ? 0 : [...text].length;
  if (minLength !== undefined && length < minLength)
    fault(context, path, `NOT have fewer than ${minLength} characters`);
  if (maxLength !== undefined && length > maxLength) fault(context, path, `NOT have more than ${maxLength} characters`);
}

function checkNumber(context: Context, { minimum, maximum }: JsonSchema, number: number, path: string): void {
  if (minimum !== undefined && number < minimum) fault(context, path, `be >= ${minimum}`);
  if (maximum !== undefined && number > maximum) fault(context, path, `be <= ${maximum}`);
}

function checkArray(context: Context, schema: JsonSchema, array: readonly unknown[], path: string): void {
  const { items, minItems, maxItems, uniqueItems } = schema;
  if (minItems !== undefined && array.length < minItems) fault(context, path, `NOT have fewer than ${minItems} items`);
  if (maxItems !== undefined && array.length > maxItems) fault(context, path, `NOT have more than ${maxItems} items`);
  if (uniqueItems === true && new Set(array.map((item) => canonicalJson(item))).size < array.length) {
    fault(context, path, 'NOT have duplicate items');
  }
  if (items !== undefined)
    array.forEach((item, index) => void check(context, items, item, joined(path, String(index))));
}

function checkObject(
  context: Context,
  schema: JsonSchema,
  object: Readonly<Record<string, unknown>>,
  path: string,
): void {
  const { properties = {}, patternProperties = {}, additionalProperties, minProperties } = schema;
  const names = Object.keys(object);
  if (minProperties !== undefined && names.length < minProperties) {
    fault(context, path, `NOT have fewer than ${minProperties} properties`);
  }
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(object, name)) fault(context, path, `have the member '${name}'`);
  }
  for (const [name, needed] of Object.entries(schema.dependentRequired ?? {})) {
    const missing = Object.hasOwn(object, name) ? needed.find((other) => !Object.hasOwn(object, other)) : undefined;
    if (missing !== undefined) fault(context, path, `have the member '${missing}' beside '${name}'`);
  }
  for (const name of names) {
    const where = joined(path, name);
    const known = Object.hasOwn(properties, name) ? [properties[name] as JsonSchema] : [];
    for (const [pattern, member] of Object.entries(patternProperties)) {
      if (new RegExp(pattern, 'u').test(name)) known.push(member);
    }
    for (const member of known) check(context, member, object[name], where);
    if (known.length > 0 || additionalProperties === undefined || additionalProperties === true) continue;
    if (additionalProperties === false) context.faults.push(`unknown member '${where}'`);
    else check(context, additionalProperties, object[name], where);
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
