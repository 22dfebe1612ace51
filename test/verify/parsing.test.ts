import { describe, expect, it } from 'vitest';
import {
  ErrorCode,
  explainSnpReport,
  parseHclReport,
  parseSnpReport,
  parseTcb,
  parseTpm2bPublic,
  parseTpmsAttest,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { failedCodes } from './genuine.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('parseTcb', () => {
  it('reads the layout of the product', () => {
    const milan = Uint8Array.of(4, 0, 0, 0, 0, 0, 0x18, 0xdb);
    expect(parseTcb(milan, 'Milan')).toEqual({ bootloader: 4, tee: 0, snp: 24, microcode: 219 });
    expect(parseTcb(milan, 'Genoa')).toEqual(parseTcb(milan, 'Milan'));
    const turin = Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0x51);
    expect(parseTcb(turin, 'Turin')).toEqual({ fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 0x51 });
  });

  it('has a code for what it refuses', () => {
    const code = (bytes: Uint8Array, product: string): unknown => {
      try {
        return parseTcb(bytes, product as 'Milan');
      } catch (error) {
        return (error as { code: number }).code;
      }
    };
    expect(code(new Uint8Array(), 'Milan')).toBe(ErrorCode.HCL_REPORT_EMPTY);
    expect(code(new Uint8Array(7), 'Milan')).toBe(ErrorCode.HCL_REPORT_PARSING_FAILURE);
    expect(code(new Uint8Array(8), 'Rome')).toBe(ErrorCode.INVALID_INPUT_PARAMETER);
    expect(code('00' as unknown as Uint8Array, 'Milan')).toBe(ErrorCode.INVALID_INPUT_PARAMETER);
  });
});

describe.skipIf(!withFixtures)('genuine reports', () => {
  it('of version 2: no processor, no mitigation vectors', () => {
    const report = parseSnpReport(fixture('azure-milan-v2/snp-report.bin'));
    expect(report).toMatchObject({
      version: 2,
      guestSvn: 5,
      vmpl: 0,
      signatureAlgo: 1,
      signingKey: 0,
      currentTcb: { bootloader: 3, tee: 0, snp: 8, microcode: 210 },
      reportedTcb: { bootloader: 3, tee: 0, snp: 8, microcode: 115 },
      launchTcb: { bootloader: 3, tee: 0, snp: 8, microcode: 115 },
      currentMajor: 1,
      currentMinor: 52,
      currentBuild: 4,
      tcbLayout: 'Milan',
      unknownFields: [],
    });
    for (const absent of ['product', 'cpuidFamId', 'launchMitVector']) expect(report).not.toHaveProperty(absent);
    expect(report.policy).toMatchObject({
      abiMajor: 0,
      abiMinor: 31,
      smt: true,
      debug: false,
      unknownBits: 0n,
      raw: 0x3001fn,
    });
    expect(hex(report.idKeyDigest)).toMatch(/^0356215882a8/);
    expect(hex(report.reportIdMa)).toBe('ff'.repeat(32));
  });

  it('of version 3 name their processor', () => {
    const report = parseSnpReport(fixture('azure-milan-v3/snp-report.bin'));
    expect(report).toMatchObject({ version: 3, product: 'Milan', cpuidFamId: 0x19, cpuidModId: 1, cpuidStep: 1 });
    expect(report.platformInfo).toMatchObject({
      smtEn: true,
      tsmeEn: false,
      eccEn: true,
      aliasCheckComplete: true,
      raw: 0x25n,
    });
    const genoa = parseSnpReport(fixture('snp-genoa-v3/genoa_attestation_report.bin'));
    expect(genoa).toMatchObject({ product: 'Genoa', reportedTcb: { bootloader: 10, tee: 0, snp: 23, microcode: 84 } });
  });

  it('of Turin have their own TCB layout, and a bit that nobody documents', () => {
    const report = parseSnpReport(fixture('snp-turin-v5/turin_attestation_report.bin'));
    expect(report).toMatchObject({
      version: 5,
      product: 'Turin',
      tcbLayout: 'Turin',
      reportedTcb: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 },
    });
    expect(report.platformInfo).toMatchObject({ raw: 0x65n, unknownBits: 0x40n });
    expect(typeof report.launchMitVector).toBe('bigint');
    expect(hex(report.chipId.subarray(8))).toBe('00'.repeat(56));
  });

  it('of TDX are recognized by the HCL', () => {
    const report = parseHclReport(fixture('azure-tdx/hcl-report.bin'));
    expect(report).toMatchObject({
      headerVersion: 2,
      reportType: 'tdx',
      hashType: 'sha256',
      bound: true,
      warnings: [],
    });
    expect(hex(report.hardwareReport)).toBe(fixture('azure-tdx/tdreport.bin').toString('hex'));
    expect(hex(report.variableData)).toBe(fixture('azure-tdx/runtime-claims.json').toString('hex'));
  });

  it('are read where they lie in a Buffer, and not copied', () => {
    const padded = Buffer.concat([Buffer.alloc(5), fixture('azure-milan-v3/snp-report.bin')]);
    const report = parseSnpReport(padded.subarray(5));
    expect(report.measurement.buffer).toBe(padded.buffer);
    expect(report.version).toBe(3);
  });

  it('quote with a nonce over 24 PCRs', () => {
    const attest = parseTpmsAttest(fixture('azure-milan-v3/quote.msg'));
    expect(Buffer.from(attest.extraData).toString()).toBe('challenge');
    expect(attest).toMatchObject({ magic: 0xff544347, type: 0x8018, firmwareVersion: 0x2020031200120003n });
    expect(attest.quote?.pcrSelections).toEqual([
      { hash: 0x0b, pcrs: Array.from({ length: 24 }, (_, index) => index) },
    ]);
  });

  it('of the reference client verify to the root it made, but for the malformed product name of its VCEK', async () => {
    const file = (name: string): string => fixture(`reference-client/snp/${name}`).toString('utf8');
    const { hardwareReport } = parseHclReport(fixture('reference-client/snp/hcl_report.bin'));
    const now = new Date('2026-12-24T00:00:00Z');
    const certificates = { vcek: file('vcek.crt'), ask: file('ask.crt'), ark: file('ark.crt') };
    const result = await explainSnpReport(hardwareReport, certificates, { trustedRoots: [file('ark.crt')], now });
    // Its productName says that it is nine characters long, and has eight.
    expect(failedCodes(result)).toEqual(['ERR_CERTIFICATE_FORMAT']);
    expect(failedCodes(await explainSnpReport(hardwareReport, certificates, { now }))).toEqual([
      'ERR_CERTIFICATE_FORMAT',
      'ERR_ARK_NOT_TRUSTED',
    ]);
    expect(parseTpm2bPublic(fixture('reference-client/snp/ak.tpm2b'))).toMatchObject({
      keyBits: 2048,
      exponent: 65537,
    });
  });
});

describe('arguments that are none', () => {
  it('have the code for that, or are refused by a check', async () => {
    const invalid = { code: ErrorCode.INVALID_INPUT_PARAMETER };
    const report = Uint8Array.of(2, ...new Uint8Array(1183));
    await expect(explainSnpReport(report, undefined as never)).rejects.toMatchObject(invalid);
    await expect(explainSnpReport(report, { vcek: '' }, null as never)).rejects.toMatchObject(invalid);
    await expect(explainSnpReport(null as never, { vcek: '' })).rejects.toMatchObject(invalid);
    for (const vcek of [undefined, null, 7, {}, []]) {
      await expect(explainSnpReport(report, { vcek: vcek as never })).rejects.toMatchObject(invalid);
    }
    for (const vcek of ['', 'x', new Uint8Array()]) {
      expect(failedCodes(await explainSnpReport(report, { vcek }))).toContain('ERR_CERTIFICATE_FORMAT');
    }
    expect(failedCodes(await explainSnpReport(new Uint8Array(), { vcek: '' }))).toEqual(['ERR_SNP_REPORT']);
  });
});
