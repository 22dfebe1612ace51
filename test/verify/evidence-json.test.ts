import { describe, expect, it } from 'vitest';
import {
  ErrorCode,
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  importBincodeQuote,
  importTrusteeEvidence,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { azureEvidence, NONCE, NOW } from './genuine.js';

const refusal = expect.objectContaining({ name: 'AttestationError', code: ErrorCode.HCL_REPORT_PARSING_FAILURE });

/** Evidence with every member. */
const full = (): Evidence => ({
  version: 1,
  hclReport: Uint8Array.of(1, 2, 3),
  quote: {
    message: Uint8Array.of(4),
    signature: Uint8Array.of(5, 0xff),
    pcrs: { alg: 'sha256', values: { 0: new Uint8Array(32), 23: new Uint8Array(32).fill(7) } },
  },
  certificates: { vcek: Uint8Array.of(0x30, 0), chain: [Uint8Array.of(0x30, 1), Uint8Array.of(0x30, 2)] },
  akCertificate: Uint8Array.of(6),
  eventLog: Uint8Array.of(7, 8),
  ephemeralKey: {
    publicArea: Uint8Array.of(9),
    certifyInfo: Uint8Array.of(10),
    certifySignature: Uint8Array.of(11),
  },
});

describe('evidence as JSON', () => {
  it('comes back as it was', () => {
    expect(evidenceFromJson(evidenceToJson(full()))).toEqual(full());
    expect(evidenceFromJson(Buffer.from(evidenceToJson(full())))).toEqual(full());
    const least: Evidence = { version: 1, hclReport: Uint8Array.of(1) };
    expect(evidenceToJson(least)).toBe('{"version":1,"hclReport":"AQ"}');
    expect(evidenceFromJson(evidenceToJson(least))).toEqual(least);
  });

  it('is what JSON.stringify makes of evidence that was read, and may be parsed already', () => {
    const evidence = evidenceFromJson(evidenceToJson(full()));
    expect(JSON.stringify({ evidence })).toBe(`{"evidence":${evidenceToJson(full())}}`);
    expect(evidenceFromJson(JSON.parse(JSON.stringify(evidence)))).toEqual(full());
    for (const none of [null, [], new Map(), full()]) {
      expect(() => evidenceFromJson(none as object)).toThrow(refusal);
    }
  });

  it('keeps PEM as it is', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    const evidence: Evidence = { version: 1, hclReport: Uint8Array.of(1), certificates: { vcek: pem, chain: pem } };
    expect(evidenceFromJson(evidenceToJson(evidence))).toEqual(evidence);
  });

  it('has a code of its own for nothing', () => {
    expect(() => evidenceFromJson('')).toThrow(expect.objectContaining({ code: ErrorCode.HCL_REPORT_EMPTY }));
  });

  it.each([
    ['another version', '{"version":2,"hclReport":"AQ"}', /evidence.version must be 1/],
    ['an unknown member', '{"version":1,"hclReport":"AQ","extra":0}', /evidence has no member "extra"/],
    [
      'an unknown member deep inside',
      '{"version":1,"hclReport":"AQ","certificates":{"vcek":"AQ","x":1}}',
      /evidence.certificates has no member "x"/,
    ],
    ['a doubled member', '{"version":1,"hclReport":"AQ","hclReport":"AQ"}', /twice/],
    [
      'a doubled member with an escape',
      '{"version":1,"hclReport":"AQ","hclReport\\u0000":0,"hclR\\u0065port":"AQ"}',
      /twice/,
    ],
    ['a missing report', '{"version":1}', /evidence.hclReport must be base64url/],
    ['padded base64url', '{"version":1,"hclReport":"AQ=="}', /base64url without padding/],
    ['loose bits in base64url', '{"version":1,"hclReport":"AR"}', /base64url without padding/],
    [
      'PCR 24',
      '{"version":1,"hclReport":"AQ","quote":{"message":"AQ","signature":"AQ","pcrs":{"alg":"sha256","values":{"24":"AQ"}}}}',
      /0 to 23/,
    ],
    [
      'PCR 01',
      '{"version":1,"hclReport":"AQ","quote":{"message":"AQ","signature":"AQ","pcrs":{"alg":"sha256","values":{"01":"AQ"}}}}',
      /0 to 23/,
    ],
    [
      'another bank',
      '{"version":1,"hclReport":"AQ","quote":{"message":"AQ","signature":"AQ","pcrs":{"alg":"sha1","values":{}}}}',
      /must be sha256/,
    ],
    ['a list', '[]', /must be an object/],
    ['null', 'null', /must be an object/],
    ['half a string', '{"version":1', /not valid JSON/],
    ['deep nesting', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, /levels deep/],
  ])('refuses %s', (_, json, message) => {
    expect(() => evidenceFromJson(json)).toThrow(refusal);
    expect(() => evidenceFromJson(json)).toThrow(message);
  });

  it('refuses text that is not UTF-8', () => {
    expect(() => evidenceFromJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(refusal);
  });

  it('reads or refuses every prefix, and never anything else', () => {
    const json = evidenceToJson(full());
    for (let length = 1; length < json.length; length++) {
      expect(() => evidenceFromJson(json.slice(0, length))).toThrow(refusal);
    }
  });
});

describe.skipIf(!withFixtures)('evidence of other programs', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const padded = (bytes: Uint8Array): string =>
    Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  const values = (): Uint8Array[] => Object.values(azureEvidence('azure-milan-v3').quote?.pcrs.values ?? {});
  const u64 = (value: number): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
  const chain = (): string => fixture('amd-chains/ask_ark_milan.pem').toString('utf8');

  function bincode(): Buffer {
    const message = fixture('azure-milan-v3/quote.msg');
    const signature = fixture('azure-milan-v3/quote.sig');
    return Buffer.concat([u64(signature.length), signature, u64(message.length), message, u64(24), ...values()]);
  }

  it("reads the crate's quote", async () => {
    const quote = importBincodeQuote(bincode());
    const result = await explainEvidence({ ...azureEvidence('azure-milan-v3'), quote }, { nonce: NONCE, now: NOW });
    expect(result.ok).toBe(true);
  });

  it("refuses every prefix of the crate's quote", () => {
    const bytes = bincode();
    for (let length = 1; length < bytes.length; length++) {
      expect(() => importBincodeQuote(bytes.subarray(0, length))).toThrow(refusal);
    }
    expect(() => importBincodeQuote(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(refusal);
  });

  it("reads Trustee's evidence, version 1", async () => {
    const evidence = importTrusteeEvidence(
      JSON.stringify({
        version: 1,
        tpm_quote: {
          signature: hex(fixture('azure-milan-v3/quote.sig')),
          message: hex(fixture('azure-milan-v3/quote.msg')),
          pcrs: values().map(hex),
        },
        hcl_report: padded(fixture('azure-milan-v3/hcl-report.bin')),
        vcek: padded(fixture('azure-milan-v3/vcek.der')),
      }),
    );
    const incomplete = await explainEvidence(evidence, { nonce: NONCE, now: NOW });
    expect(incomplete.checks.find((check) => !check.ok)).toMatchObject({ code: 'ERR_CERTIFICATE_MISSING' });
    const { vcek = '' } = evidence.certificates ?? {};
    const complete = { ...evidence, certificates: { vcek, chain: chain() } };
    expect((await explainEvidence(complete, { nonce: NONCE, now: NOW })).ok).toBe(true);
  });

  it("reads Trustee's evidence from before it had a version", async () => {
    const evidence = importTrusteeEvidence(
      JSON.stringify({
        quote: {
          signature: [...fixture('azure-milan-v2/quote.sig')],
          message: [...fixture('azure-milan-v2/quote.msg')],
          pcrs: Object.values(azureEvidence('azure-milan-v2').quote?.pcrs.values ?? {}).map((value) => [...value]),
        },
        report: [...fixture('azure-milan-v2/hcl-report.bin')],
        vcek: fixture('azure-milan-v2/vcek.pem').toString('utf8'),
      }),
    );
    expect((await explainEvidence(evidence, { nonce: NONCE, now: NOW })).ok).toBe(true);
  });
});
