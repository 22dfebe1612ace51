import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  policyFromEvidence,
  type VerificationOptions,
  type VerificationPolicy,
  type VerificationResult,
  verifyEvidence,
} from '../../../lib/index.js';
import { flip, genuine, genuineCollateral, genuineQuote } from '../../abi/tdx-fixtures.js';
import { fixture, withFixtures } from '../../fixtures.js';
import { ForgedPlatform } from './forge.js';
import { failedCodes, firstCode } from './quotes.js';

const bytes = (path: string): Uint8Array => new Uint8Array(fixture(path));

function evidenceOf(name: string): Evidence {
  const pcrs = bytes(`tdx/${name}/pcrs-sha256.bin`);
  const values = Object.fromEntries(Array.from({ length: 24 }, (_, at) => [at, pcrs.slice(32 * at, 32 * at + 32)]));
  return {
    version: 1,
    hclReport: bytes(`tdx/${name}/hcl-report.bin`),
    tdQuote: genuineQuote(name),
    quote: {
      message: bytes(`tdx/${name}/quote.msg`),
      signature: bytes(`tdx/${name}/quote.sig`),
      pcrs: { alg: 'sha256', values },
    },
  };
}

const NONCES: Readonly<Record<string, string>> = {
  'azure-spr-v4-2024': 'challenge',
  'azure-emr-v4-2026': 'attestation-test-fixture',
};

function optionsOf(name: string, policy: VerificationPolicy = {}): VerificationOptions {
  const { now, collateral } = genuine(name);
  const nonce = Buffer.from(NONCES[name] ?? '');
  return { nonce, now: new Date(now), collateral: genuineCollateral(collateral), policy };
}

const OLD: VerificationPolicy = { tdx: { acceptedTcbStatuses: ['OutOfDate'] } };
const codes = (result: VerificationResult): string[] => failedCodes(result);

describe.skipIf(!withFixtures)('verifyEvidence on genuine evidence of Azure TDX guests', () => {
  it('verifyEvidence proves the guest of 2026 under the default policy', async () => {
    const name = 'azure-emr-v4-2026';
    const userData = Buffer.from('attestation-test-fixture');
    const result = await verifyEvidence(evidenceOf(name), { ...optionsOf(name), userData });
    if (result.tee !== 'tdx') return expect.unreachable();
    expect(result).toMatchObject({ ok: true, paravisor: 'mrtd', reportFresh: true, tcb: { status: 'UpToDate' } });
    expect(Buffer.from(result.tdQuote.mrtd).toString('hex')).toBe(genuine(name).fields.mr_td);
    expect(result.claims?.keys.some(({ kid }) => kid === 'HCLAkPub')).toBe(true);
    expect(Object.keys(result.pcrs ?? {})).toHaveLength(24);
    expect(result.certificates.root.subject).toBe('Intel SGX Root CA');
    expect(result.warnings).toEqual([]);
  });

  it('verifyEvidence refuses the guest of 2024 for its TCB, and proves it where the policy accepts that', async () => {
    const name = 'azure-spr-v4-2024';
    expect(codes(await explainEvidence(evidenceOf(name), optionsOf(name)))).toEqual(['ERR_TCB_STATUS']);
    const result = await verifyEvidence(evidenceOf(name), optionsOf(name, OLD));
    expect(result).toMatchObject({ tee: 'tdx', tcb: { status: 'OutOfDate' }, paravisor: 'mrtd' });
  });

  it('verifyEvidence takes collateral out of the evidence, through JSON as well, unless options have some', async () => {
    const name = 'azure-emr-v4-2026';
    const { collateral, ...options } = optionsOf(name);
    const evidence = { ...evidenceOf(name), tdxCollateral: collateral ?? expect.unreachable() };
    await expect(verifyEvidence(evidence, options)).resolves.toMatchObject({ ok: true });
    const read = evidenceFromJson(evidenceToJson(evidence));
    expect(read).toEqual(evidence);
    await expect(verifyEvidence(read, options)).resolves.toMatchObject({ ok: true });
    const other = genuineCollateral('../collateral/2025-06-00806f050000.json');
    await expect(verifyEvidence(evidence, { ...options, collateral: other })).rejects.toMatchObject({ code: /^ERR_/ });
    expect(codes(await explainEvidence(evidenceOf(name), options))).toContain('ERR_COLLATERAL_MISSING');
  });

  it('verifyEvidence lets the type of the HCL report decide the TEE, whatever other members there are', async () => {
    const name = 'azure-emr-v4-2026';
    const certificates = { vcek: bytes('azure-milan-v3/vcek.der') };
    await expect(verifyEvidence({ ...evidenceOf(name), certificates }, optionsOf(name))).resolves.toMatchObject({
      tee: 'tdx',
    });
    const { tdQuote, ...withoutQuote } = evidenceOf(name);
    const missing = await explainEvidence({ ...withoutQuote, certificates }, optionsOf(name));
    expect(missing.tee).toBe('tdx');
    expect(codes(missing)).toEqual(['ERR_TD_QUOTE']);
    const snp = await explainEvidence(
      { version: 1, hclReport: bytes('azure-milan-v3/hcl-report.bin'), ...(tdQuote && { tdQuote }) },
      { now: new Date('2026-07-01T00:00:00Z') },
    );
    expect(snp.tee).toBe('snp');
    expect(codes(snp)).toContain('ERR_CERTIFICATE_MISSING');
  });

  it('verifyEvidence refuses an SNP report in an HCL report of type TDX, and the reverse', async () => {
    const name = 'azure-emr-v4-2026';
    const reportType = 1224;
    const tdxInSnp = evidenceOf(name);
    tdxInSnp.hclReport[reportType] = 2;
    const asSnp = await explainEvidence(tdxInSnp, optionsOf(name));
    expect(asSnp.ok).toBe(false);
    expect(asSnp.tee).toBe('snp');
    const hclReport = bytes('azure-milan-v3/hcl-report.bin');
    hclReport[reportType] = 4;
    const asTdx = await explainEvidence({ ...evidenceOf(name), hclReport }, optionsOf(name));
    expect(asTdx.tee).toBe('tdx');
    expect(firstCode(asTdx)).toBe('ERR_TD_REPORT');
  });

  it('verifyEvidence refuses the TD quote of another machine', async () => {
    const other = { ...evidenceOf('azure-emr-v4-2026'), tdQuote: genuineQuote('azure-emr-v5') };
    const { now: _, collateral: __, ...options } = optionsOf('azure-emr-v4-2026');
    const result = await explainEvidence(other, {
      ...options,
      now: new Date(genuine('azure-emr-v5').now),
      collateral: genuineCollateral(genuine('azure-emr-v5').collateral),
    });
    expect(codes(result)).toContain('ERR_TDREPORT_MISMATCH');
    expect(result).not.toHaveProperty('tdQuote');
    expect(result.claims).toBeUndefined();
  });

  it('verifyEvidence refuses every single-bit change of the TD report that anything covers, and of the claims', async () => {
    const name = 'azure-emr-v4-2026';
    const evidence = evidenceOf(name);
    const options = optionsOf(name);
    const start = 32;
    // Nobody but the processor can check CPUSVN and MAC; the subtype and version of the report are not in a quote.
    const uncovered = (at: number): boolean =>
      (at >= 1 && at < 4) || (at >= 0x10 && at < 0x20) || (at >= 0xe0 && at < 0x100);
    for (let bit = 0; bit < 8 * 1024; bit += 3) {
      const at = bit >> 3;
      if (uncovered(at)) continue;
      flip(evidence.hclReport, 8 * start + bit);
      const code = firstCode(await explainEvidence(evidence, options));
      const expected = at >= 0x80 && at < 0xc0 ? 'ERR_TDREPORT_MISMATCH' : 'ERR_TD_REPORT';
      if (code !== expected) expect.unreachable(`bit ${bit}: ${code} instead of ${expected}`);
      flip(evidence.hclReport, 8 * start + bit);
    }
    for (let at = 1236; at < 1236 + 200; at++) {
      flip(evidence.hclReport, 8 * at);
      const found = codes(await explainEvidence(evidence, options));
      if (!found.includes('ERR_REPORT_DATA_MISMATCH')) expect.unreachable(`claims at ${at}: ${found.join()}`);
      flip(evidence.hclReport, 8 * at);
    }
    await expect(verifyEvidence(evidence, options)).resolves.toMatchObject({ ok: true });
  }, 60_000);

  it('a policy that speaks of SEV-SNP only, or names it alone, refuses TDX', async () => {
    const name = 'azure-emr-v4-2026';
    for (const policy of [{ tees: ['snp'] }, { measurement: '00'.repeat(48) }, { vmpl: 0 }] as VerificationPolicy[]) {
      expect(codes(await explainEvidence(evidenceOf(name), optionsOf(name, policy)))).toEqual(['ERR_POLICY']);
    }
    for (const policy of [{ tees: ['tdx'] }, { tdx: {} }, { tees: ['snp', 'tdx'] }] as VerificationPolicy[]) {
      await expect(verifyEvidence(evidenceOf(name), optionsOf(name, policy))).resolves.toMatchObject({ tee: 'tdx' });
    }
  });

  it.each(['azure-emr-v4-2026', 'azure-spr-v4-2024'])(
    'the policy learned from %s accepts it, and no older one',
    async (name) => {
      const evidence = evidenceOf(name);
      const result = await verifyEvidence(evidence, optionsOf(name, name === 'azure-spr-v4-2024' ? OLD : {}));
      const policy = policyFromEvidence(evidence, result);
      expect(policy).toMatchObject({ tees: ['tdx'], tdx: { mrtd: genuine(name).fields.mr_td } });
      await expect(verifyEvidence(evidence, optionsOf(name, policy))).resolves.toMatchObject({ ok: true });
      const tdx = {
        ...policy.tdx,
        minimumSgxTcb: policy.tdx?.minimumSgxTcb?.map((least) => Math.min(255, least + 1)) ?? [],
      };
      expect(codes(await explainEvidence(evidence, optionsOf(name, { ...policy, tdx })))).toEqual(['ERR_POLICY']);
    },
  );

  it('the policy judges measurements and attributes of the quote', async () => {
    const name = 'azure-emr-v4-2026';
    const { fields } = genuine(name);
    const good: VerificationPolicy = {
      tdx: {
        mrtd: [String(fields.mr_td).toUpperCase()],
        mrseam: String(fields.mr_seam),
        mrconfigid: '00'.repeat(48),
        rtmrs: [null, '00'.repeat(48)],
        xfam: { value: 'e718060000000000', mask: 'ffffffffffffffff' },
        tdAttributes: { value: '0000001000000000', mask: '00000010000000ff' },
        minimumTeeTcbSvn: [...Buffer.from(String(fields.tee_tcb_svn), 'hex')],
        minimumTcbEvaluationDataNumber: 18,
        deniedAdvisories: ['INTEL-SA-00960'],
        allowedAdvisories: [],
      },
    };
    await expect(verifyEvidence(evidenceOf(name), optionsOf(name, good))).resolves.toMatchObject({ ok: true });
    const wrong: NonNullable<VerificationPolicy['tdx']>[] = [
      { mrseam: '11'.repeat(48) },
      { mrowner: '11'.repeat(48) },
      { rtmrs: { '3': '11'.repeat(48) } },
      { xfam: { value: '0000000000000000', mask: '0100000000000000' } },
      { tdAttributes: { value: '0000000000000000', mask: '0000001000000000' } },
      { minimumTeeTcbSvn: [255, 1, ...Array(14).fill(0)] },
      { minimumTeeTcbSvn: [0, 255, ...Array(14).fill(0)] },
      { minimumSgxTcb: Array(16).fill(255) },
      { minimumPcesvn: 65_535 },
      { minimumTcbEvaluationDataNumber: 19 },
    ];
    for (const tdx of wrong) {
      const result = await explainEvidence(evidenceOf(name), optionsOf(name, { tdx }));
      expect(codes(result), JSON.stringify(tdx)).toEqual(['ERR_POLICY']);
    }
    const old = await explainEvidence(
      evidenceOf('azure-spr-v4-2024'),
      optionsOf('azure-spr-v4-2024', {
        tdx: { acceptedTcbStatuses: ['OutOfDate'], deniedAdvisories: ['INTEL-SA-00960'] },
      }),
    );
    expect(codes(old)).toEqual(['ERR_POLICY']);
  });
});

describe('the paravisor of a TDX machine', () => {
  it('a genuine TD with an unknown MRTD, or with RTMRs in use, is not taken for a paravisor', async () => {
    const { identifyTdxParavisor } = await import('../../../lib/verify/tdx/paravisor.js');
    const { parseTdQuote } = await import('../../../lib/abi/td-quote.js');
    const platform = await ForgedPlatform.create();
    const mrtd = Buffer.from(platform.quote().subarray(48 + 136, 48 + 184)).toString('hex');
    const identify = (fields: Parameters<ForgedPlatform['quote']>[0] = {}, named?: string) =>
      identifyTdxParavisor(parseTdQuote(platform.quote(fields)), named === undefined ? {} : { mrtd: named })
        .identifiedBy;
    expect(identify()).toBeUndefined();
    expect(identify({}, mrtd)).toBe('mrtd');
    for (const report of [
      { rtmrs: [new Uint8Array(48), new Uint8Array(48), new Uint8Array(48), new Uint8Array(48).fill(1)] },
      { mrConfigId: new Uint8Array(48).fill(1) },
      { mrOwner: new Uint8Array(48).fill(1) },
      { mrOwnerConfig: new Uint8Array(48).fill(1) },
    ]) {
      expect(identify({ report }, mrtd), Object.keys(report)[0]).toBeUndefined();
    }
  });
});
