import { describe, expect, it } from 'vitest';
import { explainEvidence } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { azureEvidence, failedCodes, NONCE, NOW } from './genuine.js';

describe.skipIf(!withFixtures)('genuine evidence', () => {
  it.each(['azure-milan-v2', 'azure-milan-v3'] as const)('%s is accepted', async (name) => {
    const result = await explainEvidence(azureEvidence(name), { nonce: NONCE, now: NOW });
    expect(failedCodes(result)).toEqual([]);
    expect(result).toMatchObject({ ok: true, tee: 'snp', product: 'Milan', paravisor: 'id-key', warnings: [] });
    expect(result.claims?.['vm-configuration']?.['secure-boot']).toBe(true);
    expect(Object.keys(result.pcrs ?? {})).toHaveLength(24);
  });

  it('refuses a TDX guest whose TD quote is missing: nothing proves its report', async () => {
    const result = await explainEvidence(azureEvidence('azure-tdx'), { nonce: NONCE, now: NOW });
    expect(new Set(failedCodes(result))).toEqual(new Set(['ERR_TD_QUOTE', 'ERR_NOT_CHECKED']));
    expect(result.tee).toBe('tdx');
    expect(result.hclReport).toMatchObject({ reportType: 'tdx', bound: true });
    expect(result.claims).toBeUndefined();
  });

  it('refuses a report with the certificates of another machine', async () => {
    const evidence = {
      version: 1 as const,
      hclReport: fixture('hcl-mismatched-vcek/hcl-report.bin'),
      certificates: { vcek: fixture('hcl-mismatched-vcek/certs.pem') },
    };
    const result = await explainEvidence(evidence, { now: NOW });
    expect(failedCodes(result)).toEqual(['ERR_HWID_MISMATCH', 'ERR_SNP_SIGNATURE']);
    expect(result.hclReport?.bound).toBe(true);
    expect(result.claims).toBeUndefined();
  });
});
