import { describe, expect, it } from 'vitest';
import { explainSnpReport, parseHclReport } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const NOW = new Date('2026-07-01T00:00:00Z');
const chain = (product: 'milan' | 'genoa' | 'turin_vcek'): string =>
  fixture(`amd-chains/ask_ark_${product}.pem`).toString('utf8');
const failures = (result: Awaited<ReturnType<typeof explainSnpReport>>): string[] =>
  result.checks.filter((check) => !check.ok).map((check) => check.code ?? '');

describe.skipIf(!withFixtures)('genuine reports', () => {
  it.each([
    ['azure-milan-v2/snp-report.bin', 'azure-milan-v2/vcek.pem', 'milan', []],
    ['azure-milan-v3/snp-report.bin', 'azure-milan-v3/vcek.der', 'milan', []],
    ['snp-milan-v3/milan_attestation_report.bin', 'snp-milan-v3/milan_vcek.pem', 'milan', []],
    ['snp-genoa-v3/genoa_attestation_report.bin', 'snp-genoa-v3/genoa_vcek.pem', 'genoa', []],
    ['snp-turin-v5/turin_attestation_report.bin', 'snp-turin-v5/turin_vcek.pem', 'turin_vcek', []],
    ['snp-milan-v2-debug/report.bin', 'snp-milan-v2-debug/vcek.der', 'milan', ['ERR_POLICY']],
  ] as const)('%s', async (report, vcek, product, expected) => {
    const result = await explainSnpReport(fixture(report), { vcek: fixture(vcek), ask: chain(product) }, { now: NOW });
    expect(failures(result)).toEqual(expected);
    expect(result.ok).toBe(expected.length === 0);
  });

  it('refuses a report with the certificate of another machine', async () => {
    const { hardwareReport } = parseHclReport(fixture('hcl-mismatched-vcek/hcl-report.bin'));
    const result = await explainSnpReport(
      hardwareReport,
      { vcek: fixture('hcl-mismatched-vcek/certs.pem') },
      { now: NOW },
    );
    expect(failures(result)).toEqual(expect.arrayContaining(['ERR_HWID_MISMATCH', 'ERR_SNP_SIGNATURE']));
  });
});
