import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonSchema, schemaFaults } from '../../lib/base/json-schema.js';
import { POLICY_SCHEMA } from '../../lib/verify/policy-document.js';

const published = JSON.parse(
  readFileSync(new URL('../../schema/verification-policy.schema.json', import.meta.url), 'utf8'),
) as JsonSchema & { properties: Record<string, unknown> };

describe('schemaFaults', () => {
  it('agrees with a general validator on policies, good and bad', () => {
    const ajv = new Ajv2020({ allErrors: true, strict: false }).compile(published);
    const names = fc.oneof(
      fc.constantFrom(...Object.keys(published.properties), 'microcode', 'smt', 'Milan', 'pcrs', '__proto__', 'x'),
      fc.nat(24).map(String),
    );
    const scalar = fc.oneof(
      fc.boolean(),
      fc.constantFrom(-1, 0, 1, 3, 255, 256, 1.5, 2 ** 33, null),
      fc.constantFrom('', 'ab', 'AB'.repeat(48), 'cd'.repeat(32), 'Milan', 'configured', '1.55', 'UpToDate', 'é😀'),
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, scalar, tie('array'), tie('object')),
      array: fc.array(fc.oneof(scalar, tie('value')), { maxLength: 3 }),
      object: fc.dictionary(names, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    }));
    fc.assert(
      fc.property(fc.oneof(value.object, value.value), (policy) => {
        expect(schemaFaults(POLICY_SCHEMA, policy).length === 0).toBe(ajv(policy));
      }),
      { numRuns: 3000 },
    );
  });

  it('agrees with a general validator on every keyword that it knows', () => {
    const cases: [JsonSchema, unknown[]][] = [
      [{ type: 'integer', minimum: 1, maximum: 3 }, [0, 1, 3, 4, 1.5, '1', null]],
      [
        { type: ['string', 'null'], minLength: 2, maxLength: 3, pattern: '^[a-z😀]+$' },
        ['a', 'ab', 'abcd', '😀😀', 'AB', null],
      ],
      [{ const: 'x' }, ['x', 'y', 1]],
      [{ enum: [1, 'a'] }, [1, 'a', 2]],
      [{ items: { type: 'number' }, minItems: 1, maxItems: 2, uniqueItems: true }, [[], [1], [1, 1], [1, 2, 3], ['a']]],
      [
        { uniqueItems: true },
        [
          [
            { a: 1, b: 2 },
            { b: 2, a: 1 },
          ],
          [[1], [2]],
          ['1', 1],
        ],
      ],
      [
        { required: ['a'], dependentRequired: { a: ['b'] }, minProperties: 1 },
        [{}, { a: 1 }, { a: 1, b: 1 }, { b: 1 }],
      ],
      [{ anyOf: [{ type: 'string' }, { type: 'array' }] }, ['a', [], 1]],
      [{ oneOf: [{ minimum: 1 }, { maximum: 3 }] }, [0, 2, 4]],
      [{ allOf: [{ minimum: 1 }, { maximum: 3 }], not: { const: 2 } }, [0, 1, 2, 3]],
      [
        JSON.parse('{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}') as JsonSchema,
        [{}, { a: 1 }, { a: 1, b: 1 }, { c: 1 }],
      ],
      [
        {
          $defs: { n: { type: 'number' } },
          properties: { a: { $ref: '#/$defs/n' } },
          additionalProperties: { type: 'string' },
        },
        [{ a: 1 }, { a: 'x' }, { b: 'x' }, { b: 1 }],
      ],
      [
        { patternProperties: { '^x': { type: 'number' } }, additionalProperties: false },
        [{ x1: 1 }, { x1: 'a' }, { y: 1 }],
      ],
    ];
    for (const [schema, values] of cases) {
      const ajv = new Ajv2020({ strict: false }).compile(schema);
      for (const value of values) {
        expect([schema, value, schemaFaults(schema, value).length === 0]).toEqual([schema, value, ajv(value)]);
      }
    }
  });

  it('says where a fault is and what is expected', () => {
    const schema: JsonSchema = { properties: { a: { items: { type: 'number' } } }, additionalProperties: false };
    expect(schemaFaults(schema, { a: [1, 'x'], b: 1 })).toEqual(["'a.1' must be number", "unknown member 'b'"]);
    expect(schemaFaults({ type: 'object' }, 1)).toEqual(['it must be object']);
  });
});

describe('the policy schema in the package', () => {
  it('is made of the published one', () => {
    const script = new URL('../../scripts/policy-schema.mjs', import.meta.url);
    expect(() => execFileSync(process.execPath, [script.pathname, '--check'], { stdio: 'pipe' })).not.toThrow();
  });
});
