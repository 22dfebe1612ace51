import { describe, expect, it } from 'vitest';
import {
  buildReleasePolicy,
  encodeReleasePolicy,
  evaluateReleasePolicy,
  explainReleasePolicy,
  PolicyError,
  parseReleasePolicy,
  type ReleasePolicy,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const ISSUER = 'https://sharedweu.weu.attest.azure.net';

interface Vectors {
  claims: Record<string, Record<string, unknown>>;
  cases: { name: string; policy: ReleasePolicy; claims: string; released: boolean }[];
  invalid: { name: string; policy: object }[];
}

const vectors = (): Vectors => JSON.parse(fixture('key-release/policy.json').toString('utf8'));

describe.skipIf(!withFixtures)('release policies of the vectors', () => {
  it('evaluateReleasePolicy gives the verdict of every one of the 26 cases', () => {
    const { cases, claims } = vectors();
    expect(cases.length).toBe(26);
    for (const { name, policy, claims: which, released } of cases) {
      const evaluation = evaluateReleasePolicy(parseReleasePolicy(JSON.stringify(policy)), claims[which] as object);
      expect(evaluation.released, name).toBe(released);
      expect(explainReleasePolicy(evaluation).startsWith(released ? 'would be released' : 'would NOT'), name).toBe(
        true,
      );
    }
  });

  it('parseReleasePolicy refuses every one of the 12 invalid policies, as text, bytes, tree and release_policy', () => {
    const { invalid } = vectors();
    expect(invalid.length).toBe(12);
    for (const { name, policy } of invalid) {
      const text = JSON.stringify(policy);
      const forms = [
        text,
        Buffer.from(text),
        policy as ReleasePolicy,
        { data: Buffer.from(text).toString('base64url') },
      ];
      for (const form of forms) expect(() => parseReleasePolicy(form), name).toThrow(PolicyError);
    }
  });
});

const claim = (conditions: object[], authority: object = { authority: ISSUER }): object => ({
  version: '1.0.0',
  anyOf: [{ ...authority, allOf: conditions }],
});
const ANY = [{ claim: 'iss', exists: true }];
const text = (value: unknown): string => JSON.stringify(value);
const data = (value: unknown): string => Buffer.from(text(value)).toString('base64url');

describe('parseReleasePolicy', () => {
  const refused: [what: string, policy: unknown, pointer: string, hint: RegExp][] = [
    ['allOf at the top', text({ version: '1.0.0', allOf: [] }), '/allOf', /into anyOf/],
    ['anyof in lower case', text({ version: '1.0.0', anyof: [] }), '', /write "anyOf"/],
    [
      'allof in an authority',
      text({ version: '1.0.0', anyOf: [{ authority: ISSUER, allof: ANY }] }),
      '/anyOf/0',
      /"allOf"/,
    ],
    ['Equals with a capital', text(claim([{ claim: 'a', Equals: 'b' }])), '/anyOf/0/allOf/0', /write "equals"/],
    [
      'condition and value',
      text(claim([{ claim: 'a', condition: 'notEquals', value: 'b' }])),
      '/anyOf/0/allOf/0',
      /write "notEquals": value/,
    ],
    [
      'base64 with padding',
      { data: Buffer.from(`${text(claim(ANY))} `).toString('base64') },
      '/data',
      /no = at its end/,
    ],
    ['a policy encoded twice', { data: Buffer.from(data(claim(ANY))).toString('base64url') }, '/data', /encoded twice/],
    ['JSON text inside a JSON string', text(text(claim(ANY))), '', /encoded twice/],
    ['base64url in place of JSON', data(claim(ANY)), '', /\{ data: text \}/],
    ['plain JSON in data', { data: text(claim(ANY)) }, '/data', /encode it as base64url/],
    ['a list of values', text(claim([{ claim: 'a', equals: ['b'] }])), '/anyOf/0/allOf/0/equals', /in anyOf/],
  ];

  it.each(refused)('parseReleasePolicy refuses %s, says where, and what to write', (_, policy, pointer, hint) => {
    const error = (() => {
      try {
        parseReleasePolicy(policy as string);
      } catch (thrown) {
        return thrown;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(PolicyError);
    expect(error).toMatchObject({ code: 8, pointer, hint: expect.stringMatching(hint) });
  });

  const hostile: [what: string, policy: unknown][] = [
    ['a member named twice', '{"version":"1.0.0","version":"1.0.0","anyOf":[]}'],
    ['a hundred levels', `${'{"anyOf":['.repeat(100)}${']}'.repeat(100)}`],
    [
      'a hundred levels as a tree',
      Array(100)
        .fill(0)
        .reduce((inner) => ({ allOf: [inner] }), ANY[0]),
    ],
    ['200 KB', text(claim(ANY)) + ' '.repeat(200_000)],
    ['ten thousand conditions', claim(Array(10_000).fill(ANY[0]))],
    ['an authority with user information', claim(ANY, { authority: 'https://a@b.example' })],
    ['an authority on plain http', claim(ANY, { authority: 'http://attest.example' })],
    [
      'a number out of range',
      '{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"a","equals":1e999}]}]}',
    ],
    ['exists with a string', claim([{ claim: 'a', exists: 'perhaps' }])],
    ['greater with a word', claim([{ claim: 'a', greater: 'eight' }])],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['a number', 5],
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['data that is a number', { data: 5 }],
  ];

  it.each(hostile)('parseReleasePolicy refuses %s', (_, policy) => {
    expect(() => parseReleasePolicy(policy as string)).toThrow(PolicyError);
  });

  it('parseReleasePolicy reads version 1.0 as 1.0.0, which Managed HSM writes for it', () => {
    expect(parseReleasePolicy(text({ ...claim(ANY), version: '1.0' })).version).toBe('1.0.0');
  });

  it('parseReleasePolicy takes plain http only on this machine', () => {
    expect(parseReleasePolicy(text(claim(ANY, { authority: 'http://127.0.0.1:8080' }))).anyOf).toHaveLength(1);
  });

  it('encodeReleasePolicy and parseReleasePolicy are the reverse of each other', () => {
    const policy = parseReleasePolicy(text(claim([{ claim: 'ä.ß', equals: '≥' }])));
    const encoded = encodeReleasePolicy(policy, { immutable: true });
    expect(encoded).toMatchObject({ contentType: 'application/json; charset=utf-8', immutable: true });
    expect(parseReleasePolicy(encoded)).toEqual(policy);
  });
});

describe('buildReleasePolicy', () => {
  it('buildReleasePolicy asks for a compliant confidential VM by the claims of a guest token', () => {
    expect(buildReleasePolicy({ authorities: [ISSUER] })).toEqual(
      claim([
        { claim: 'x-ms-isolation-tee.x-ms-attestation-type', equals: 'sevsnpvm' },
        { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' },
      ]),
    );
  });

  it('buildReleasePolicy turns every option into a condition', () => {
    const policy = buildReleasePolicy({
      authorities: [ISSUER, 'https://other.example'],
      secureBoot: true,
      noDebug: true,
      vmIds: ['6506b531-1634-431e-99d2-42b7d3414ad0', '00000000-1634-431e-99d2-42b7d3414ad0'],
      minGuestSvn: 8,
      launchMeasurements: ['AB'.repeat(48)],
      and: [{ claim: 'x-ms-azurevm-ostype', equals: 'Linux' }],
    });
    expect(policy.anyOf.map(({ authority }) => authority)).toEqual([ISSUER, 'https://other.example']);
    const claims = {
      iss: ISSUER,
      secureboot: true,
      'x-ms-azurevm-bootdebug-enabled': false,
      'x-ms-azurevm-vmid': '6506B531-1634-431E-99D2-42B7D3414AD0',
      'x-ms-azurevm-ostype': 'Linux',
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': 'sevsnpvm',
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-sevsnpvm-is-debuggable': false,
        'x-ms-sevsnpvm-guestsvn': 8,
        'x-ms-sevsnpvm-launchmeasurement': 'ab'.repeat(48),
      },
    };
    expect(evaluateReleasePolicy(policy, claims).released).toBe(true);
    for (const [name, value] of Object.entries({
      secureboot: false,
      'x-ms-azurevm-bootdebug-enabled': true,
      'x-ms-azurevm-vmid': '11111111-1634-431E-99D2-42B7D3414AD0',
      'x-ms-azurevm-ostype': 'Windows',
      'x-ms-isolation-tee': { ...claims['x-ms-isolation-tee'], 'x-ms-sevsnpvm-guestsvn': 7 },
    })) {
      expect(evaluateReleasePolicy(policy, { ...claims, [name]: value }).released, name).toBe(false);
    }
  });

  const wrong: [what: string, options: object][] = [
    ['a misspelt option', { authorities: [ISSUER], secureboot: true }],
    ['an option that got lost', { authorities: [ISSUER], vmIds: undefined }],
    ['no authority', { authorities: [] }],
    ['a VM id that is not a GUID', { authorities: [ISSUER], vmIds: ['one'] }],
    ['an empty list of VM ids', { authorities: [ISSUER], vmIds: [] }],
    ['a short measurement', { authorities: [ISSUER], launchMeasurements: ['ab'] }],
    ['a security version of TDX', { authorities: [ISSUER], tee: 'tdx', minGuestSvn: 1 }],
    ['a TEE that does not exist', { authorities: [ISSUER], tee: 'sgx' }],
    ['a condition that is none', { authorities: [ISSUER], and: [{ claim: 'a' }] }],
  ];

  it.each(wrong)('buildReleasePolicy refuses %s with error 8', (_, options) => {
    expect(() => buildReleasePolicy(options as Parameters<typeof buildReleasePolicy>[0])).toThrow(
      expect.objectContaining({ code: 8 }),
    );
  });
});

describe('explainReleasePolicy', () => {
  const guest = {
    iss: ISSUER,
    'x-ms-isolation-tee': { 'x-ms-compliance-status': 'azure-compliant-cvm' },
    list: [1],
    flag: 'true',
  };
  const hints: [what: string, condition: object, claims: object, says: string][] = [
    [
      'that a guest token nests a claim',
      { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
      guest,
      'it has x-ms-isolation-tee.x-ms-compliance-status = "azure-compliant-cvm" (guest tokens nest it)',
    ],
    [
      'that a platform token has a claim at the top',
      { claim: 'x-ms-isolation-tee.x-ms-attestation-type', equals: 'sevsnpvm' },
      { iss: ISSUER, 'x-ms-attestation-type': 'sevsnpvm' },
      'it has x-ms-attestation-type = "sevsnpvm" (a token of the platform has it at the top)',
    ],
    ['that values differ only in case', { claim: 'flag', equals: 'TRUE' }, guest, 'differ only in case'],
    ['that a claim is a list', { claim: 'list', equals: 1 }, guest, 'is a list'],
    ['that a claim is an object', { claim: 'x-ms-isolation-tee', equals: 'a' }, guest, 'is an object'],
    ['that the types differ', { claim: 'flag', equals: true }, guest, 'the policy has a boolean, the token a string'],
    ['that a name has dots', { claim: 'a.b', equals: 'x' }, { iss: ISSUER, 'a.b': 'x' }, 'dots in its name'],
    ['that the token has expired', { claim: 'iss', exists: true }, { ...guest, exp: 1 }, 'the token has expired'],
    [
      'that the issuer is another region',
      { claim: 'iss', exists: true },
      { iss: 'https://sharedeus.eus.attest.azure.net' },
      'another region',
    ],
    ['that the issuer differs in case', { claim: 'iss', exists: true }, { iss: ISSUER.toUpperCase() }, 'only in case'],
    ['that a claim is absent', { claim: 'nothing', equals: 1 }, guest, 'the token has no such claim'],
  ];

  it.each(hints)('explainReleasePolicy says %s', (_, condition, claims, says) => {
    const evaluation = evaluateReleasePolicy(parseReleasePolicy(text(claim([condition]))), claims);
    expect(explainReleasePolicy(evaluation)).toContain(says);
  });

  it('explainReleasePolicy prints the example of the specification', () => {
    const policy = parseReleasePolicy(
      text(
        claim([
          { claim: 'x-ms-isolation-tee.x-ms-attestation-type', equals: 'sevsnpvm' },
          { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
        ]),
      ),
    );
    const claims = {
      iss: ISSUER,
      'x-ms-isolation-tee': { 'x-ms-attestation-type': 'sevsnpvm', 'x-ms-compliance-status': 'azure-compliant-cvm' },
    };
    expect(explainReleasePolicy(evaluateReleasePolicy(policy, claims))).toBe(`would NOT be released
  authority ${ISSUER}   issuer matches
    allOf
      ✓ x-ms-isolation-tee.x-ms-attestation-type equals "sevsnpvm"
      ✗ x-ms-compliance-status equals "azure-compliant-cvm"   the token has no such claim
          hint: it has x-ms-isolation-tee.x-ms-compliance-status = "azure-compliant-cvm" (guest tokens nest it)`);
  });

  it('explainReleasePolicy lets no claim move the cursor of a terminal', () => {
    const policy = parseReleasePolicy(text(claim([{ claim: 'a', equals: 'b' }])));
    const evaluation = evaluateReleasePolicy(policy, { iss: 'https://x\u202e\u001b[2J', a: '\u001b[31m\u202e' });
    const shown = explainReleasePolicy(evaluation);
    for (const character of ['\u001b', '\u202e']) expect(shown).not.toContain(character);
  });

  it('evaluateReleasePolicy keeps what was expected and found of every condition', () => {
    const policy = parseReleasePolicy(
      text(
        claim([
          {
            anyOf: [
              { claim: 'a', less: 5 },
              { claim: 'b', exists: 'false' },
            ],
          },
        ]),
      ),
    );
    expect(evaluateReleasePolicy(policy, { iss: `${ISSUER}/`, a: 7 })).toMatchObject({
      released: true,
      authorities: [
        {
          authority: ISSUER,
          issuerMatches: true,
          conditions: [
            {
              path: '/anyOf/0/allOf/0',
              kind: 'anyOf',
              met: true,
              conditions: [
                { path: '/anyOf/0/allOf/0/anyOf/0', claim: 'a', operator: 'less', expected: 5, actual: 7, met: false },
                { path: '/anyOf/0/allOf/0/anyOf/1', claim: 'b', operator: 'exists', met: true },
              ],
            },
          ],
        },
      ],
    });
  });
});
