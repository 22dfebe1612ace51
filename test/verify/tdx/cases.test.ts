import { describe, expect, it } from 'vitest';
import { explainTdQuote, VerificationError, type VerificationPolicy, verifyTdQuote } from '../../../lib/index.js';
import { genuine, genuineCases, genuineQuote, synthetic, syntheticCases } from '../../abi/tdx-fixtures.js';
import { withFixtures } from '../../fixtures.js';
import { acceptingOptions, failedCodes, genuineOptions, syntheticInput } from './quotes.js';

/** Codes of the failed checks under the default policy. */
const REFUSALS: Readonly<Record<string, string[]>> = {
  'azure-spr-v4-2024': ['ERR_TCB_STATUS'],
  'azure-emr-v5': ['ERR_TCB_NOT_SUPPORTED'],
  'spr-v4-debug': ['ERR_POLICY'],
  // Bound to a service TD as well.
  'emr-v5-below-every-level': ['ERR_TCB_NOT_SUPPORTED', 'ERR_POLICY'],
  'spr-v4-no-level': ['ERR_TCB_NOT_SUPPORTED'],
  'emr-v4-old-seamldr': ['ERR_TCB_NOT_SUPPORTED'],
};

describe.skipIf(!withFixtures)('verifyTdQuote on genuine quotes', () => {
  const names = genuineCases.map(({ name }) => name);

  it.each(names)('explainTdQuote gives the TCB status that Intel gives of %s', async (name) => {
    const { expect: expected, fields, pck } = genuine(name);
    const result = await explainTdQuote(genuineQuote(name), genuineOptions(name));
    expect(result.tcb?.status).toBe(expected.tcbStatus);
    expect(result.tcb?.fmspc).toBe(pck.fmspc);
    expect(result.tcb?.current).toBe(expected.current?.tcbStatus);
    if (expected.tcbStatus !== 'NotSupported') {
      expect(result.tcb).toMatchObject({
        platform: expected.platform,
        qe: expected.qe,
        advisoryIds: expected.advisoryIDs,
        tcbDate: new Date(expected.tcbDate ?? 0),
      });
      expect(result.tcb?.tdxModule ?? null).toBe(expected.tdxModule);
    }
    expect(failedCodes(result)).toEqual(REFUSALS[name] ?? []);
    expect(Buffer.from(result.tdQuote?.mrtd ?? []).toString('hex')).toBe(fields.mr_td);
  });

  it.each(names)('verifyTdQuote accepts %s under a policy made for it', async (name) => {
    const result = await verifyTdQuote(genuineQuote(name), acceptingOptions(name));
    expect(result).toMatchObject({ ok: true, tee: 'tdx' });
    expect(result.tcb?.status).toBe(genuine(name).expect.tcbStatus);
    // One was published with text behind it; a level that is not reached is let pass with a warning.
    const unsupported = result.tcb?.status === 'NotSupported' ? 1 : 0;
    expect(result.warnings).toHaveLength((name === 'spr-v4-no-level' ? 1 : 0) + unsupported);
  });

  it('explainTdQuote names the one component that keeps Azure hosts below every level', async () => {
    const { tcb, checks } = await explainTdQuote(genuineQuote('azure-emr-v5'), genuineOptions('azure-emr-v5'));
    expect(tcb?.shortfall).toEqual([
      { component: 'sgx[7]', category: 'OS/VMM', type: 'SEAMLDR ACM', required: 5, actual: 3 },
    ]);
    expect(checks.find(({ name }) => name === 'TCB level')?.actual).toContain(
      'sgx[7] (OS/VMM, SEAMLDR ACM) is 3, at least 5 is required',
    );
  });

  it('explainTdQuote shows the dates of the certificate that signed a document, not those of its root', async () => {
    const { certificates, checks } = await explainTdQuote(
      genuineQuote('azure-emr-v4-2026'),
      genuineOptions('azure-emr-v4-2026'),
    );
    const { notBefore, notAfter } = certificates?.tcbSigning ?? {};
    const shown = checks.find(({ name }) => name === 'TCB info signing certificate is valid now')?.expected;
    expect(shown).toBe(`${notBefore?.toISOString()} to ${notAfter?.toISOString()}`);
  });

  it('explainTdQuote names every component that falls short', async () => {
    const options = genuineOptions('spr-v4-no-level');
    const { tcb } = await explainTdQuote(genuineQuote('spr-v4-no-level'), options);
    expect(tcb?.shortfall?.map(({ component }) => component)).toEqual([
      'sgx[0]',
      'sgx[1]',
      'sgx[4]',
      'sgx[7]',
      'tdx[2]',
    ]);
  });

  it('explainTdQuote says when the collateral ends', async () => {
    const options = genuineOptions('emr-v5-gcp');
    const { tcb } = await explainTdQuote(genuineQuote('emr-v5-gcp'), options);
    expect(tcb?.collateralExpires.toISOString()).toBe('2026-03-20T10:41:15.000Z');
  });
});

describe.skipIf(!withFixtures)('verifyTdQuote on quotes that were made', () => {
  it.each(syntheticCases.map(({ name, why, expect: { code } }) => [name, code, why] as const))(
    'explainTdQuote gives %s its code %s (%s)',
    async (name, code) => {
      const { quote, options } = syntheticInput(name);
      const result = await explainTdQuote(quote, options);
      const found = failedCodes(result);
      const { tcbStatus } = synthetic(name).expect;
      if (code === 'ok') {
        expect(result.ok, JSON.stringify(found)).toBe(true);
      } else if (code === 'policy') {
        const accepted = tcbStatus === 'UpToDate' || tcbStatus === 'SWHardeningNeeded';
        expect(found).toEqual(accepted ? [] : ['ERR_TCB_STATUS']);
      } else if (name === 'chain-reordered') {
        expect(found).toEqual(['ERR_CERTIFICATE_CHAIN']);
      } else {
        expect(found).toEqual([code.split(' ')[0]]);
      }
      if (code === 'ok' || code === 'policy') {
        const { platform, tdxModule, qe, tcbDate } = synthetic(name).expect;
        expect(result.tcb).toMatchObject({ status: tcbStatus, platform, qe, tcbDate: new Date(tcbDate ?? 0) });
        expect(result.tcb?.tdxModule ?? null).toBe(tdxModule);
        await expect(verifyTdQuote(quote, { ...options, policy: policyFor(tcbStatus) })).resolves.toMatchObject({
          ok: true,
        });
      } else {
        await expect(verifyTdQuote(quote, options)).rejects.toMatchObject({ code: found[0] });
        await expect(verifyTdQuote(quote, options)).rejects.toBeInstanceOf(VerificationError);
      }
    },
  );
});

function policyFor(status: string): VerificationPolicy {
  const accepted = [status] as NonNullable<NonNullable<VerificationPolicy['tdx']>['acceptedTcbStatuses']>;
  return { tdx: { acceptedTcbStatuses: accepted } };
}
