import { decodeBase64url } from '../../base/base64url.js';
import { isBytes } from '../../base/bytes.js';
import { readArguments } from '../../base/options.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../../base/strict-json.js';
import { isLoopback } from '../../http/service-url.js';
import {
  type ClaimCondition,
  type ConditionGroup,
  OPERATORS,
  PolicyError,
  type ReleaseAuthority,
  type ReleaseCondition,
  type ReleaseOperator,
  type ReleasePolicy,
} from './policy.js';

/** Longest policy text, in characters. */
const MAX_LENGTH = 64 * 1024;
/** Two levels of JSON for every group inside another. */
const MAX_DEPTH = 34;
const MAX_CONDITIONS = 1000;
const MAX_NAME_SHOWN = 60;

type JsonObject = Record<string, unknown>;

/**
 * Reads a release policy: its JSON as text or UTF-8, the `release_policy` of a key (`{ data }`, base64url), or the tree
 * itself. Every member must be one that the grammar knows.
 *
 * @returns the tree, frozen; `version` always as `1.0.0`, which the service writes for `1.0`, too
 * @throws PolicyError (an `AttestationError` 8) with a JSON pointer and, for the usual mistakes, a hint
 */
export function parseReleasePolicy(
  policy: string | Uint8Array | { readonly data: string } | ReleasePolicy,
): ReleasePolicy {
  return readArguments('parseReleasePolicy', () => policyOf(treeOf(policy)));
}

function treeOf(policy: unknown): unknown {
  if (typeof policy === 'string') return treeOfText(policy);
  if (isBytes(policy)) return parsed(policy);
  if (isJsonObject(policy) && 'data' in policy && !('anyOf' in policy)) return treeOfData(policy.data);
  return policy;
}

function treeOfText(text: string): unknown {
  const tree = looksEncoded(text) ? undefined : parsed(text);
  if (tree === undefined) throw new PolicyError('', 'this is base64url, not JSON', 'pass { data: text }');
  if (typeof tree === 'string') throw doubleEncoded('', 'a JSON text inside a JSON string');
  return tree;
}

function treeOfData(data: unknown): unknown {
  if (typeof data !== 'string' || data === '') throw new PolicyError('/data', 'data must be a base64url text');
  if (data.length > MAX_LENGTH * 2) throw tooLong();
  if (data.trimStart().startsWith('{')) throw new PolicyError('/data', 'data is plain JSON', 'encode it as base64url');
  if (data.endsWith('=')) throw new PolicyError('/data', 'base64 with padding', 'base64url has no = at its end');
  const bytes = decodeBase64url(data);
  if (bytes === undefined) throw new PolicyError('/data', 'data is not base64url', alphabetHint(data));
  if (bytes[0] !== undefined && looksEncoded(String.fromCharCode(...bytes.subarray(0, 32)))) {
    throw doubleEncoded('/data', 'data is base64url of base64url');
  }
  const tree = parsed(bytes);
  if (typeof tree === 'string') throw doubleEncoded('/data', 'data holds a JSON text inside a JSON string');
  return tree;
}

/** A JSON object begins with `{"` or `{` and a blank: in base64 with `eyJ`, `ey`, `ew`, `e0`. */
const looksEncoded = (text: string): boolean => /^e[yw0][A-Za-z0-9+/_-]{6,}/.test(text);

const alphabetHint = (data: string): string | undefined =>
  /[+/]/.test(data) ? 'this is the standard alphabet: write - for + and _ for /' : undefined;

const doubleEncoded = (pointer: string, problem: string): PolicyError =>
  new PolicyError(pointer, problem, 'the policy was encoded twice');

const tooLong = (): PolicyError => new PolicyError('', `longer than ${MAX_LENGTH} characters`);

function parsed(json: string | Uint8Array): unknown {
  if (json.length > MAX_LENGTH) throw tooLong();
  try {
    return parseStrictJson(json, MAX_DEPTH);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new PolicyError('', error.message);
    throw error;
  }
}

function policyOf(tree: unknown): ReleasePolicy {
  if (!isJsonObject(tree)) throw new PolicyError('', 'it must be a JSON object');
  if ('allOf' in tree) {
    throw new PolicyError('/allOf', 'at the top there is only anyOf', 'put the authorities into anyOf');
  }
  hintAtCase(tree, '');
  onlyMembers(tree, '', ['version', 'anyOf']);
  if (tree.version === undefined) throw new PolicyError('', 'version is missing', 'write "version": "1.0.0"');
  if (tree.version !== '1.0.0' && tree.version !== '1.0') {
    throw new PolicyError('/version', 'there is no such version', 'write "1.0.0"');
  }
  const budget = { left: MAX_CONDITIONS };
  const authorities = nonEmptyList(tree.anyOf, '/anyOf').map((value, index) =>
    authorityOf(value, `/anyOf/${index}`, budget),
  );
  return Object.freeze({ version: '1.0.0', anyOf: Object.freeze(authorities) });
}

function authorityOf(value: unknown, pointer: string, budget: { left: number }): ReleaseAuthority {
  if (!isJsonObject(value)) throw new PolicyError(pointer, 'an authority must be an object');
  hintAtCase(value, pointer);
  const { authority, ...group } = value;
  if (authority === undefined) throw new PolicyError(pointer, 'authority is missing');
  if (typeof authority !== 'string' || !isAuthority(authority)) {
    throw new PolicyError(`${pointer}/authority`, 'the authority must be an https URL', 'the issuer of the tokens');
  }
  return Object.freeze({ authority, ...groupOf(group, pointer, budget, 1) });
}

/** Plain http only on this machine, where a simulated service may be. */
function isAuthority(authority: string): boolean {
  if (!URL.canParse(authority) || authority !== authority.trim()) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(authority);
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

function groupOf(value: JsonObject, pointer: string, budget: { left: number }, depth: number): ConditionGroup {
  onlyMembers(value, pointer, ['allOf', 'anyOf']);
  const [name, ...more] = (['allOf', 'anyOf'] as const).filter((member) => member in value);
  if (name === undefined) throw new PolicyError(pointer, 'allOf or anyOf is missing');
  if (more.length > 0) throw new PolicyError(pointer, 'allOf and anyOf exclude each other', 'nest one in the other');
  const list = nonEmptyList(value[name], `${pointer}/${name}`);
  const conditions = Object.freeze(
    list.map((condition, index) => conditionOf(condition, `${pointer}/${name}/${index}`, budget, depth)),
  );
  return Object.freeze(name === 'allOf' ? { allOf: conditions } : { anyOf: conditions });
}

function conditionOf(value: unknown, pointer: string, budget: { left: number }, depth: number): ReleaseCondition {
  if (--budget.left < 0) throw new PolicyError(pointer, `more than ${MAX_CONDITIONS} conditions`);
  if (depth > MAX_DEPTH / 2) throw new PolicyError(pointer, 'nested too deep');
  if (!isJsonObject(value)) throw new PolicyError(pointer, 'a condition must be an object');
  hintAtCase(value, pointer);
  if ('claim' in value) return claimConditionOf(value, pointer);
  if (OPERATORS.some((operator) => operator in value)) throw new PolicyError(pointer, 'claim is missing');
  return groupOf(value, pointer, budget, depth + 1);
}

function claimConditionOf(value: JsonObject, pointer: string): ClaimCondition {
  const { claim } = value;
  if (typeof claim !== 'string') throw new PolicyError(`${pointer}/claim`, 'the claim must be a string');
  if (claim.split('.').includes('')) {
    throw new PolicyError(
      `${pointer}/claim`,
      'a name between the dots is empty',
      'the path is names with dots between',
    );
  }
  if ('condition' in value && 'value' in value) {
    const operator = OPERATORS.find((known) => known === value.condition) ?? 'equals';
    throw new PolicyError(pointer, 'condition and value are an older form', `write "${operator}": value`);
  }
  onlyMembers(value, pointer, ['claim', ...OPERATORS]);
  const [operator, ...more] = OPERATORS.filter((member) => member in value);
  if (operator === undefined) throw new PolicyError(pointer, `the claim has none of ${OPERATORS.join(', ')}`);
  if (more.length > 0) throw new PolicyError(pointer, 'a condition has one operator', 'write two conditions in allOf');
  return Object.freeze({ claim, [operator]: expectedOf(value[operator], operator, pointer) }) as ClaimCondition;
}

function expectedOf(value: unknown, operator: ReleaseOperator, pointer: string): string | number | boolean {
  const at = `${pointer}/${operator}`;
  const isNumber = typeof value === 'number' && Number.isFinite(value);
  if (typeof value !== 'string' && typeof value !== 'boolean' && !isNumber) {
    const hint = Array.isArray(value) ? 'write one condition for each in anyOf' : undefined;
    throw new PolicyError(at, 'the value must be a string, a number, true or false', hint);
  }
  if (operator === 'exists' && ![true, false, 'true', 'false'].includes(value as string | boolean)) {
    throw new PolicyError(at, 'exists takes true or false');
  }
  const ordered = operator !== 'equals' && operator !== 'notEquals' && operator !== 'exists';
  if (ordered && !(isNumber || isDecimal(value))) throw new PolicyError(at, `${operator} compares numbers`);
  return value as string | number | boolean;
}

/** Whether a string is a number as JSON writes it. */
export function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(value);
}

function nonEmptyList(value: unknown, pointer: string): unknown[] {
  if (value === undefined) throw new PolicyError(pointer, 'it is missing');
  if (!Array.isArray(value)) throw new PolicyError(pointer, 'it must be a list');
  if (value.length === 0) throw new PolicyError(pointer, 'an empty list holds for everything or for nothing');
  return value;
}

function onlyMembers(value: JsonObject, pointer: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const shown = JSON.stringify(unknown.slice(0, MAX_NAME_SHOWN));
  throw new PolicyError(pointer, `there is no member ${shown}`, `there are ${known.join(', ')}`);
}

/** `anyof`, `AllOf`, `Equals`: the service's own documents have the exact case, and it is not known to take another. */
function hintAtCase(value: JsonObject, pointer: string): void {
  const known = ['anyOf', 'allOf', 'authority', 'claim', 'version', ...OPERATORS];
  for (const name of Object.keys(value)) {
    const meant = known.find((right) => right !== name && right.toLowerCase() === name.toLowerCase());
    if (meant !== undefined) throw new PolicyError(pointer, `there is no member "${name}"`, `write "${meant}"`);
  }
}
