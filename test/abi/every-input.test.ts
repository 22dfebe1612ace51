import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AttestationError,
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  parseCertificateTable,
  parseEventLog,
  parseHclReport,
  parseSnpReport,
  parseTcb,
  parseTpm2bPublic,
  parseTpmsAttest,
  replayEventLog,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { mutated } from '../fuzz/hostile.js';

const readLog = (bytes: Uint8Array): unknown => replayEventLog(parseEventLog(bytes));
type Parse = (bytes: Uint8Array) => unknown;

/** The parser's answer, or the code of its refusal; anything else that is thrown fails the test. */
function outcome(parse: Parse, bytes: Uint8Array): { code?: number } {
  try {
    parse(bytes);
    return {};
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    expect(error.message.length).toBeLessThan(2_000);
    return { code: error.code };
  }
}

function expectTotal(parse: Parse, bytes: Uint8Array): void {
  const { code = 20 } = outcome(parse, bytes);
  expect([20, 21]).toContain(code);
}

const FIXTURES: readonly (readonly [string, Parse])[] = [
  ['azure-milan-v2/hcl-report.bin', parseHclReport],
  ['azure-milan-v3/hcl-report.bin', parseHclReport],
  ['azure-tdx/hcl-report.bin', parseHclReport],
  ['hcl-mismatched-vcek/hcl-report.bin', parseHclReport],
  ['field-cases/hcl-runtime-data-v2/hcl-report.bin', parseHclReport],
  ['azure-milan-v2/snp-report.bin', parseSnpReport],
  ['azure-milan-v3/snp-report.bin', parseSnpReport],
  ['snp-turin-v5/turin_attestation_report.bin', parseSnpReport],
  ['azure-milan-v2/quote.msg', parseTpmsAttest],
  ['azure-milan-v3/quote.msg', parseTpmsAttest],
  ['azure-tdx/quote.msg', parseTpmsAttest],
  ['reference-client/snp/ak.tpm2b', parseTpm2bPublic],
  ['field-cases/eventlog-windows-trustpoint-pcr-ffffffff.bin', readLog],
  ['field-cases/eventlog-sha256-only-event-under-two-banks.bin', readLog],
  ['field-cases/eventlog-hcrtm.bin', readLog],
];

describe.skipIf(!withFixtures)('a parser answers or refuses with 20 or 21', () => {
  it.each(FIXTURES)('every prefix and every single-bit change of %s', (path, parse) => {
    const genuine = fixture(path);
    expect(outcome(parse, genuine)).toEqual({});
    for (let length = 0; length < genuine.length; length++) expectTotal(parse, genuine.subarray(0, length));
    const bytes = new Uint8Array(genuine);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = (genuine[at] ?? 0) ^ (1 << (bit & 7));
      expectTotal(parse, bytes);
      bytes[at] = genuine[at] ?? 0;
    }
  });

  it.each([
    ['eventlogs/ubuntu-2404-amd-sevsnp.bin', 97],
    ['reference-client/snp/eventlog.bin', 31],
  ])('prefixes and single-bit changes of the event log %s, in steps of %i bits', (path, step) => {
    const genuine = fixture(path);
    const bytes = new Uint8Array(genuine);
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const at = bit >> 3;
      expectTotal(parseEventLog, genuine.subarray(0, at));
      bytes[at] = (genuine[at] ?? 0) ^ (1 << (bit & 7));
      expectTotal(parseEventLog, bytes);
      bytes[at] = genuine[at] ?? 0;
    }
  });
});

/** What the fuzz targets started from: genuine bytes of simulated machines of every product. */
describe.each(['Milan', 'Genoa', 'Turin'] as const)('the structures of a simulated %s', (product) => {
  let cvm: SimulatedCvm;
  let evidence: Evidence;
  const runs = Number(process.env.FUZZ_RUNS ?? 300);

  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ product });
    await using client = cvm.client();
    evidence = await client.getEvidence({ nonce: Buffer.alloc(32, 7) });
  });
  afterAll(() => cvm?.stop());

  const seeds = (): [string, Uint8Array, Parse][] => {
    const { hclReport, quote, ephemeralKey, eventLog } = evidence;
    const none = new Uint8Array();
    return [
      ['HCL report', hclReport, parseHclReport],
      ['SNP report', hclReport.subarray(32, 32 + 1184), parseSnpReport],
      ['TCB', hclReport.subarray(32 + 0x38, 32 + 0x40), (bytes) => parseTcb(bytes, product)],
      ['quote', quote?.message ?? none, parseTpmsAttest],
      ['certification', ephemeralKey?.certifyInfo ?? none, parseTpmsAttest],
      ['public key', ephemeralKey?.publicArea ?? none, parseTpm2bPublic],
      ['event log', eventLog ?? none, readLog],
      ['certificate table', tableOf(cvm), parseCertificateTable],
      ['evidence', Buffer.from(evidenceToJson(evidence)), evidenceFromJson],
    ];
  };

  it('are read, and refused with 20 or 21 whatever is done to them', () => {
    for (const [name, genuine, parse] of seeds()) {
      expect(outcome(parse, genuine), name).toEqual({});
      fc.assert(
        fc.property(mutated(genuine), (bytes) => expectTotal(parse, bytes)),
        { numRuns: runs },
      );
    }
  });

  it('are read the same in a Buffer, at an offset and over shared memory', () => {
    for (const [name, genuine, parse] of seeds()) {
      const shifted = new Uint8Array(genuine.length + 5);
      shifted.set(genuine, 3);
      const shared = new Uint8Array(new SharedArrayBuffer(genuine.length));
      shared.set(genuine);
      const expected = inWords(parse(new Uint8Array(genuine)));
      for (const bytes of [Buffer.from(genuine), shifted.subarray(3, 3 + genuine.length), shared]) {
        expect(inWords(parse(bytes)), name).toEqual(expected);
      }
    }
  });
});

const inWords = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'bigint') return String(member);
    if (member instanceof Uint8Array) return Buffer.from(member).toString('hex');
    return member instanceof Map ? [...(member as Map<unknown, unknown>)] : member;
  });

function tableOf({ authority, signingLeaf }: SimulatedCvm): Buffer {
  const entries = [
    ['63da758de6644564adc5f4b93be8accd', signingLeaf.certificate.der],
    ['4ab7b379bbac4fe4a02f05aef327c782', authority.ask.der],
    ['c0b406a4a803495297433fb6014cd0ae', authority.ark.der],
  ] as const;
  let offset = (entries.length + 1) * 24;
  const directory = Buffer.alloc(offset);
  entries.forEach(([guid, der], index) => {
    directory.write(guid, index * 24, 'hex');
    directory.writeUInt32LE(offset, index * 24 + 16);
    directory.writeUInt32LE(der.length, index * 24 + 20);
    offset += der.length;
  });
  return Buffer.concat([directory, ...entries.map(([, der]) => der)]);
}
