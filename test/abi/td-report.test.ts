import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tdReportHashes } from '../../lib/abi/td-report.js';
import { hex } from '../../lib/base/hex.js';
import { AttestationError, parseTdReport } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { flip, genuine } from './tdx-fixtures.js';

const CASES = ['azure-spr-v4-2024', 'azure-emr-v4-2026', 'azure-hcl-kinvolk'];
const report = (name: string): Uint8Array => new Uint8Array(fixture(`tdx/${name}/tdreport.bin`));

describe.skipIf(!withFixtures)('parseTdReport', () => {
  it.each(CASES)('parseTdReport reads the TD report of %s, and both hashes in it hold', (name) => {
    const parsed = parseTdReport(report(name));
    expect(tdReportHashes(parsed)).toEqual({ teeTcbInfo: true, teeInfo: true });
    expect(parsed.unknownFields).toEqual([]);
    expect(hex(parsed.xfam)).toBe('e718060000000000');
    expect(parsed.rtmrs.map(hex)).toEqual(Array(4).fill('00'.repeat(48)));
  });

  it('parseTdReport reads the fields that the TD quote of the same machine has', () => {
    const { fields } = genuine('azure-emr-v4-2026');
    const parsed = parseTdReport(report('azure-emr-v4-2026'));
    expect(hex(parsed.mrtd)).toBe(fields.mr_td);
    expect(hex(parsed.mrseam)).toBe(fields.mr_seam);
    expect(hex(parsed.teeTcbSvn)).toBe(fields.tee_tcb_svn);
    expect(hex(parsed.reportData)).toBe(fields.report_data);
    expect(hex(parsed.tdAttributes)).toBe(fields.td_attributes);
  });

  it('tdReportHashes notices every single-bit change of what the hashes cover', () => {
    const bytes = report('azure-emr-v4-2026');
    for (const [start, end, part] of [
      [0x020, 0x050, 'teeTcbInfo'],
      [0x050, 0x080, 'teeInfo'],
      [0x100, 0x1ef, 'teeTcbInfo'],
      [0x200, 0x400, 'teeInfo'],
    ] as const) {
      for (let bit = 8 * start; bit < 8 * end; bit++) {
        flip(bytes, bit);
        if (tdReportHashes(parseTdReport(bytes))[part]) expect.unreachable(`bit ${bit} is not covered`);
        flip(bytes, bit);
      }
    }
  });

  it('parseTdReport refuses every prefix, a longer input, and another type', () => {
    const bytes = report('azure-emr-v4-2026');
    for (let length = 1; length < bytes.length; length += 7) {
      expect(() => parseTdReport(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 20 }));
    }
    expect(() => parseTdReport(new Uint8Array(1025))).toThrow(expect.objectContaining({ code: 20 }));
    flip(bytes, 0);
    expect(() => parseTdReport(bytes)).toThrow('report type 0x80');
  });
});

describe('parseTdReport on any bytes', () => {
  it('parseTdReport gives error 21 for nothing and 8 for what is not bytes', () => {
    expect(() => parseTdReport(new Uint8Array())).toThrow(expect.objectContaining({ code: 21 }));
    expect(() => parseTdReport('report' as unknown as Uint8Array)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('parseTdReport reads any 1024 bytes that begin with 0x81, and throws error 20 for all others', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1020, maxLength: 1026 }), (bytes) => {
        try {
          expect(parseTdReport(bytes).raw).toEqual(bytes);
          expect(bytes[0]).toBe(0x81);
        } catch (error) {
          if (!(error instanceof AttestationError) || error.code !== 20) throw error;
        }
      }),
    );
  });
});
