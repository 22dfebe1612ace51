import { describe, expect, it } from 'vitest';
import {
  AttestationError,
  type Evidence,
  explainEvidence,
  explainSnpReport,
  parseCertificateTable,
  parseEventLog,
  parseHclReport,
  parseSnpReport,
  parseTpm2bPublic,
  parseTpmsAttest,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { azureEvidence, failedCodes, NONCE, NOW } from './genuine.js';

const chain = (): string => fixture('amd-chains/ask_ark_milan.pem').toString('utf8');

/** Runs a parser over every prefix: each is read, or refused with a documented code. */
function everyPrefix(
  bytes: Uint8Array,
  parse: (prefix: Uint8Array) => unknown,
): { read: number[]; codes: Set<number> } {
  const read: number[] = [];
  const codes = new Set<number>();
  for (let length = 0; length < bytes.length; length++) {
    try {
      parse(bytes.subarray(0, length));
      read.push(length);
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error;
      codes.add(error.code);
    }
  }
  return { read, codes };
}

describe.skipIf(!withFixtures)('every prefix', () => {
  it.each(['azure-milan-v2', 'azure-milan-v3', 'azure-tdx', 'hcl-mismatched-vcek'])('of the HCL report %s', (name) => {
    const bytes = fixture(`${name}/hcl-report.bin`);
    const { reportSize } = parseHclReport(bytes);
    const { read, codes } = everyPrefix(bytes, parseHclReport);
    // What follows the claims is padding; nothing shorter is a report.
    expect(read).toEqual(Array.from({ length: bytes.length - reportSize }, (_, index) => reportSize + index));
    expect([...codes].sort()).toEqual([20, 21]);
  });

  it.each([
    ['SNP report', 'azure-milan-v3/snp-report.bin', parseSnpReport],
    ['quote', 'azure-milan-v3/quote.msg', parseTpmsAttest],
    ['public key', 'reference-client/snp/ak.tpm2b', parseTpm2bPublic],
  ] as const)('of a %s is refused', (_, path, parse) => {
    const { read, codes } = everyPrefix(fixture(path), parse);
    expect(read).toEqual([]);
    expect([...codes].sort()).toEqual([20, 21]);
    expect(parse(fixture(path))).toBeDefined();
  });

  it('of a VCEK certificate is refused', async () => {
    const der = fixture('azure-milan-v3/vcek.der');
    const report = fixture('azure-milan-v3/snp-report.bin');
    for (let length = 0; length < der.length; length++) {
      const result = await explainSnpReport(report, { vcek: der.subarray(0, length), ask: chain() }, { now: NOW });
      expect(failedCodes(result)).toContain('ERR_CERTIFICATE_FORMAT');
    }
  });

  it('of PEM certificates is refused, or misses one', async () => {
    const pem = fixture('azure-milan-v2/vcek.pem').toString('utf8').trimEnd();
    const report = fixture('azure-milan-v2/snp-report.bin');
    for (let length = 0; length < pem.length; length += 13) {
      expect((await explainSnpReport(report, { vcek: pem.slice(0, length) }, { now: NOW })).ok).toBe(false);
    }
  });

  it('of an event log is read or refused', () => {
    const bytes = fixture('reference-client/snp/eventlog.bin');
    expect([...everyPrefix(bytes, parseEventLog).codes].sort()).toEqual([20, 21]);
  });
});

describe.skipIf(!withFixtures)('every bit of a genuine report', () => {
  // 1184 bytes, 9472 bits: the unsigned ones included.
  it('is refused when it is flipped', async () => {
    const genuine = fixture('azure-milan-v3/snp-report.bin');
    const certificates = { vcek: fixture('azure-milan-v3/vcek.der'), ask: chain() };
    const accepted: number[] = [];
    const report = new Uint8Array(genuine);
    for (let bit = 0; bit < report.length * 8; bit++) {
      const at = bit >> 3;
      report[at] = (genuine[at] ?? 0) ^ (1 << (bit & 7));
      if ((await explainSnpReport(report, certificates, { now: NOW })).ok) accepted.push(bit);
      report[at] = genuine[at] ?? 0;
    }
    expect(accepted).toEqual([]);
    expect((await explainSnpReport(report, certificates, { now: NOW })).ok).toBe(true);
  }, 120_000);

  it('(one of each byte) of its quote and signature is refused when it is flipped', async () => {
    const evidence = azureEvidence('azure-milan-v3');
    const { quote } = evidence;
    if (quote === undefined) throw new Error('no quote');
    const accepted: string[] = [];
    for (const part of ['message', 'signature'] as const) {
      for (let at = 0; at < quote[part].length; at++) {
        const bytes = quote[part].slice();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at & 7));
        const changed: Evidence = { ...evidence, quote: { ...quote, [part]: bytes } };
        if ((await explainEvidence(changed, { nonce: NONCE, now: NOW })).ok) accepted.push(`${part} ${at}`);
      }
    }
    expect(accepted).toEqual([]);
  }, 60_000);
});

describe.skipIf(!withFixtures)('every byte of the HCL report around the hardware report', () => {
  /** Bytes that nothing signs and whose value means nothing yet: changed, they are reported and nothing is refused. */
  const REPORTED = new Map([
    ['status', [16, 20]],
    ['reserved', [20, 32]],
  ]);

  it('is refused when it is changed, or reported', async () => {
    const evidence = azureEvidence('azure-milan-v3');
    const header = [...Array(32).keys(), ...Array.from({ length: 20 }, (_, index) => 1216 + index)];
    const accepted = new Map<number, string[]>();
    for (const at of header) {
      const hclReport = evidence.hclReport.slice();
      hclReport[at] = (hclReport[at] ?? 0) ^ 0x5a;
      const result = await explainEvidence({ ...evidence, hclReport }, { nonce: NONCE, now: NOW });
      if (result.ok) accepted.set(at, result.warnings);
    }
    const expected = [...REPORTED.values()].flatMap(([begin = 0, end = 0]) =>
      Array.from({ length: end - begin }, (_, index) => begin + index),
    );
    expect([...accepted.keys()]).toEqual(expected);
    for (const warnings of accepted.values()) expect(warnings).toHaveLength(1);
  });

  it('tells header version 1 from 2, and refuses others', async () => {
    const evidence = azureEvidence('azure-milan-v3');
    const versions: number[] = [];
    for (let version = 0; version < 256; version++) {
      const hclReport = evidence.hclReport.slice();
      hclReport[4] = version;
      const result = await explainEvidence({ ...evidence, hclReport }, { nonce: NONCE, now: NOW });
      if (result.ok) versions.push(result.hclReport?.headerVersion ?? 0);
    }
    expect(versions).toEqual([1, 2]);
  });

  it('reports padding that is not zero', async () => {
    const evidence = azureEvidence('azure-milan-v3');
    const hclReport = evidence.hclReport.slice();
    hclReport[2599] = 1;
    const result = await explainEvidence({ ...evidence, hclReport }, { nonce: NONCE, now: NOW });
    expect(result).toMatchObject({ ok: true, warnings: ['the padding of the HCL report is not zero'] });
  });

  it('refuses every byte of the claims when it is changed', async () => {
    const evidence = azureEvidence('azure-milan-v3');
    for (let at = 1236; at < 1236 + 1110; at += 3) {
      const hclReport = evidence.hclReport.slice();
      hclReport[at] = (hclReport[at] ?? 0) ^ 1;
      const result = await explainEvidence({ ...evidence, hclReport }, { now: NOW });
      expect(failedCodes(result)).toContain('ERR_REPORT_DATA_MISMATCH');
    }
  });
});

describe('certificate table', () => {
  const entry = (guid: string, offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.write(guid.replaceAll('-', ''), 'hex');
    bytes.writeUInt32LE(offset, 16);
    bytes.writeUInt32LE(length, 20);
    return bytes;
  };
  const VCEK = '63da758d-e664-4564-adc5-f4b93be8accd';

  it('is read by name', () => {
    const table = Buffer.concat([
      entry(VCEK, 72, 2),
      entry('00112233-4455-6677-8899-aabbccddeeff', 74, 1),
      Buffer.alloc(24),
      Buffer.of(1, 2, 3),
    ]);
    expect(parseCertificateTable(table)).toEqual([
      { guid: VCEK, name: 'vcek', data: Uint8Array.of(1, 2) },
      { guid: '00112233-4455-6677-8899-aabbccddeeff', data: Uint8Array.of(3) },
    ]);
    expect(everyPrefix(table, parseCertificateTable).read).toEqual([]);
  });

  it.each([
    ['an entry past the end', [entry(VCEK, 48, 2), Buffer.alloc(24), Buffer.of(1)]],
    ['an offset that wraps', [entry(VCEK, 0xffffffff, 0xffffffff), Buffer.alloc(24)]],
    ['an entry inside the directory', [entry(VCEK, 24, 4), Buffer.alloc(24)]],
    ['no end', [entry(VCEK, 0, 0)]],
    ['too many entries', [...Array(65).keys()].map(() => entry(VCEK, 2000, 0)).concat(Buffer.alloc(2000))],
  ])('refuses %s', (_, parts) => {
    expect(() => parseCertificateTable(Buffer.concat(parts))).toThrow(expect.objectContaining({ code: 20 }));
  });
});
