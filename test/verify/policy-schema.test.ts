import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttestationError, parsePolicy } from '../../lib/index.js';

interface Schema {
  $ref?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  $defs?: Record<string, Schema>;
}

const published = JSON.parse(
  readFileSync(new URL('../../schema/verification-policy.schema.json', import.meta.url), 'utf8'),
) as Schema;

/** What a member may hold, and what is just beside it. */
const STRINGS = [
  ...['', 'a', 'Milan', 'configured', '1.55', '01.5', '1000.0', '0.0', 'UpToDate', 'Revoked', 'INTEL-SA-00960', '7'],
  ...['x'.repeat(64), '😀'.repeat(64), 'x'.repeat(65), 'two\nlines', ' \n-----BEGIN PUBLIC KEY-----', 'BEGIN'],
  ...[8, 16, 32, 48, 64].flatMap((size) => ['aB'.repeat(size), 'g'.repeat(2 * size), `${'00'.repeat(size)}\n`]),
  ...['00000000-0000-0000-0000-000000000000', '1F2e3d4c-0000-0000-0000-000000000000', '1f2e3d4c-0000-0000-0000-00'],
];
const NUMBERS = [-1, 0, 1, 3, 4, 15, 16, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 0.5];

function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const { $ref, type, anyOf, properties = {}, patternProperties = {}, items = {} } = schema;
  if ($ref !== undefined) return valuesOf(published.$defs?.[$ref.replace('#/$defs/', '')] ?? {});
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(valuesOf));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer') {
    const { minimum = 0, maximum = 0 } = schema;
    return fc.constantFrom(...NUMBERS.filter((one) => one >= minimum && one <= maximum && Number.isInteger(one)));
  }
  if (type === 'string') {
    const { pattern = '' } = schema;
    return fc.constantFrom(...STRINGS.filter((one) => new RegExp(pattern, 'u').test(one)));
  }
  if (type === 'array') {
    const { minItems: minLength = 0, maxItems: maxLength = minLength + 2 } = schema;
    return fc.array(valuesOf(items), { minLength, maxLength });
  }
  if (type === 'object') {
    const named = Object.entries(patternProperties).flatMap(([pattern, one]) =>
      ['0', '7', '23'].filter((name) => new RegExp(pattern).test(name)).map((name) => [name, one] as const),
    );
    const members = Object.entries({ ...properties, ...Object.fromEntries(named) });
    const some = fc.subarray(members, { maxLength: Math.min(4, members.length) });
    return some.chain((chosen) => fc.record(Object.fromEntries(chosen.map(([name, one]) => [name, valuesOf(one)]))));
  }
  return fc.constant(null);
}

const other = fc.oneof(
  fc.constantFrom<unknown>(...STRINGS, ...NUMBERS, true, null, [], {}, [null], ['', ''], { snp: 1 }, { Milan: {} }),
  fc.constantFrom<unknown>({ '24': 'aB'.repeat(32) }, { value: 'aB'.repeat(8) }, { allowUnsupportedTcb: true }),
);

/** A copy in which the value that `at` picks is another one; or one more member, of another name. */
function changed(value: unknown, at: number, replacement: unknown): unknown {
  if (typeof value !== 'object' || value === null || at % 5 === 4) return replacement;
  const names = Object.keys(value);
  const name = at % 7 === 6 || names.length === 0 ? 'smt' : (names[at % names.length] as string);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const members = copy as Record<string, unknown>;
  members[Array.isArray(value) && name === 'smt' ? String(value.length) : name] = changed(
    members[name],
    Math.floor(at / 7),
    replacement,
  );
  return copy;
}

function refusal(policy: unknown): string | undefined {
  try {
    parsePolicy(policy);
    return undefined;
  } catch (error) {
    if (error instanceof AttestationError) return error.message;
    throw error;
  }
}

describe('the published schema of policies', () => {
  const isValid = new Ajv2020({ strict: false }).compile(published);

  it('takes what parsePolicy takes, and refuses what it refuses', () => {
    const policies = fc.oneof(
      valuesOf(published),
      fc.tuple(valuesOf(published), fc.nat(), other).map(([policy, at, value]) => changed(policy, at, value)),
    );
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(policies, (policy) => {
        const why = refusal(policy);
        if (why?.includes('proves nothing together')) return;
        expect([policy, why, isValid(policy)]).toEqual([policy, why, why === undefined]);
        if (why === undefined) taken++;
        else refused++;
      }),
      { numRuns: 10_000 },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(1000);
  });

  it.each(Object.entries(published.properties ?? {}))('has %s, as parsePolicy has it', (name, schema) => {
    const values = fc.oneof(valuesOf(schema), other);
    fc.assert(
      fc.property(values, (value) => {
        const policy = { [name]: value };
        expect([policy, refusal(policy) === undefined]).toEqual([policy, isValid(policy)]);
      }),
      { numRuns: 300 },
    );
  });
});
