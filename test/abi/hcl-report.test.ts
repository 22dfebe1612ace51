import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseHclReport } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const CLAIMS = '{"keys":[]}';
const HASHES = ['sha256', 'sha384', 'sha512'] as const;
/** Report types that have report_data, and where it is in the hardware report. */
const REPORT_DATA = new Map([
  [1, 24],
  [2, 0x50],
  [4, 128],
]);

/** A report whose claims are bound by a hash (1 to 3); version 2 of the runtime data has a header of 24 bytes. */
function hclReport({ type = 2, hash = 1, version = 1 } = {}): Buffer {
  const header = version === 2 ? 24 : 20;
  const bytes = Buffer.alloc(1216 + header + CLAIMS.length);
  bytes.write('HCLA');
  const fields = [
    [4, 2],
    [8, bytes.length],
    [12, 2],
    [1216, header + CLAIMS.length],
    [1220, version],
    [1224, type],
    [1228, hash],
    [1232, CLAIMS.length],
  ] as const;
  for (const [offset, value] of fields) bytes.writeUInt32LE(value, offset);
  bytes.write(CLAIMS, 1216 + header);
  const digest = createHash(HASHES[hash - 1] ?? 'sha256')
    .update(CLAIMS)
    .digest();
  bytes.set(digest, 32 + (REPORT_DATA.get(type) ?? 24));
  return bytes;
}

const refusal = (code: number): unknown => expect.objectContaining({ name: 'AttestationError', code });

describe('parseHclReport', () => {
  it('finds the claims bound by each hash, in each type of report that has report_data', () => {
    for (const type of REPORT_DATA.keys()) {
      for (const hash of [1, 2, 3]) {
        const report = parseHclReport(hclReport({ type, hash }));
        expect(report).toMatchObject({ bound: true, hashType: HASHES[hash - 1], claims: { keys: [] } });
        expect(report.reportData).toHaveLength(64);
        expect(Buffer.from(report.variableData).toString()).toBe(CLAIMS);
      }
    }
  });

  it('sees every changed bit of report_data', () => {
    for (let bit = 0; bit < 64 * 8; bit++) {
      const bytes = hclReport();
      const at = 32 + 0x50 + (bit >> 3);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      expect(parseHclReport(bytes).bound).toBe(false);
    }
  });

  it('finds nothing bound by a trusted launch report', () => {
    const report = parseHclReport(hclReport({ type: 3 }));
    expect(report).toMatchObject({ reportType: 'tvm', bound: false });
    expect(report.hardwareReport).toHaveLength(0);
    expect(report).not.toHaveProperty('reportData');
  });

  it('reads the 24-byte header of runtime data version 2 with its capabilities, and the 20-byte header of version 1', () => {
    const bytes = hclReport({ version: 2 });
    bytes.writeUInt32LE(0x80000001, 1236);
    expect(parseHclReport(bytes)).toMatchObject({ capabilities: 0x80000001, bound: true });
    expect(parseHclReport(hclReport())).not.toHaveProperty('capabilities');
  });

  it.each([
    ['a 24-byte header under version 1', 2, 1],
    ['a 20-byte header under version 2', 1, 2],
  ])('refuses %s', (_, version, written) => {
    const bytes = hclReport({ version });
    bytes.writeUInt32LE(written, 1220);
    expect(() => parseHclReport(bytes)).toThrow(refusal(20));
  });

  it.each([8, 1216, 1232])('refuses sizes at %i that contradict the others', (field) => {
    for (const value of [0, 1, 19, 20, 1215, 1216, 0x7fffffff, 0xffffffec, 0xffffffff]) {
      const bytes = hclReport();
      bytes.writeUInt32LE(value, field);
      expect(() => parseHclReport(bytes)).toThrow(refusal(20));
    }
  });

  it('refuses sizes that agree on no claims', () => {
    const bytes = hclReport();
    bytes.writeUInt32LE(1236, 8);
    bytes.writeUInt32LE(20, 1216);
    bytes.writeUInt32LE(0, 1232);
    expect(() => parseHclReport(bytes)).toThrow(refusal(20));
  });

  it.each([
    [0, 0],
    [4, 0],
    [4, 3],
    [12, 4],
    [1220, 0],
    [1220, 3],
    [1224, 5],
    [1228, 0],
    [1228, 4],
  ])('refuses at offset %i the unknown value %i', (field, value) => {
    const bytes = hclReport();
    bytes.writeUInt32LE(value, field);
    expect(() => parseHclReport(bytes)).toThrow(refusal(20));
  });

  it('tells an index that was never written from a malformed one', () => {
    expect(() => parseHclReport(new Uint8Array())).toThrow(refusal(21));
    expect(() => parseHclReport(new Uint8Array(2600))).toThrow(refusal(21));
  });

  it('refuses more than 64 KiB without a look at them', () => {
    expect(() => parseHclReport(new Uint8Array(65_537).fill(1))).toThrow(refusal(20));
  });

  it.skipIf(!withFixtures)('reads runtime data of version 2 from the field', () => {
    const report = parseHclReport(fixture('field-cases/hcl-runtime-data-v2/hcl-report.bin'));
    expect(report).toMatchObject({ bound: true, reportType: 'snp' });
    expect(report.capabilities).toBeDefined();
  });
});
