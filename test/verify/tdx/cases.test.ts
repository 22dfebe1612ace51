import { describe, expect, it } from 'vitest';
import {
  explainTdQuote,
  importTdxCollateral,
  type TdQuoteOptions,
  type TdQuoteVerification,
  VerificationError,
  type VerificationPolicy,
  verifyTdQuote,
} from '../../../lib/index.js';
import {
  genuine,
  genuineCases,
  genuineCollateral,
  genuineQuote,
  synthetic,
  syntheticCases,
} from '../../abi/tdx-fixtures.js';
import { fixture, withFixtures } from '../../fixtures.js';

/** Codes of the failed checks but those that an earlier one took with it, each once. */
const codes = ({ checks }: TdQuoteVerification): string[] => [
  ...new Set(checks.filter(({ ok, code }) => !ok && code !== 'ERR_NOT_CHECKED').map(({ code }) => code ?? '')),
];

const syntheticInput = (name: string): [Uint8Array, TdQuoteOptions] => {
  const { quote, collateral, now, root } = synthetic(name);
  return [
    new Uint8Array(Buffer.from(quote, 'base64')),
    {
      collateral: importTdxCollateral(collateral),
      now: new Date(now),
      trustedRoots: [fixture(`tdx/synthetic/${root}`).toString('utf8')],
    },
  ];
};

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

/** What a relying party would have to allow for a genuine quote to pass. */
const UNSUPPORTED: VerificationPolicy = {
  tdx: {
    allowUnsupportedTcb: true,
    minimumSgxTcb: [1, 1, 2, 2, 2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0],
    minimumTeeTcbSvn: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  },
};

const POLICIES: Readonly<Record<string, VerificationPolicy>> = {
  'azure-spr-v4-2024': { tdx: { acceptedTcbStatuses: ['OutOfDate'] } },
  'azure-emr-v5': UNSUPPORTED,
  'spr-v4-debug': { allowDebug: true },
  'emr-v5-below-every-level': { ...UNSUPPORTED, allowMigration: true },
  'spr-v4-no-level': UNSUPPORTED,
  'emr-v4-old-seamldr': UNSUPPORTED,
};

describe.skipIf(!withFixtures)('verifyTdQuote on genuine quotes', () => {
  const names = genuineCases.map(({ name }) => name);
  const optionsFor = (name: string): TdQuoteOptions => {
    const { now, collateral } = genuine(name);
    return { collateral: genuineCollateral(collateral), now: new Date(now) };
  };

  it.each(names)('explainTdQuote gives the TCB status that Intel gives of %s', async (name) => {
    const { expect: expected, fields, pck } = genuine(name);
    const result = await explainTdQuote(genuineQuote(name), optionsFor(name));
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
    expect(codes(result)).toEqual(REFUSALS[name] ?? []);
    expect(Buffer.from(result.tdQuote?.mrtd ?? []).toString('hex')).toBe(fields.mr_td);
  });

  it.each(names)('verifyTdQuote accepts %s under a policy made for it', async (name) => {
    const result = await verifyTdQuote(genuineQuote(name), { ...optionsFor(name), policy: POLICIES[name] ?? {} });
    expect(result).toMatchObject({ ok: true, tee: 'tdx' });
    expect(result.tcb?.status).toBe(genuine(name).expect.tcbStatus);
    // One was published with text behind it.
    expect(result.warnings).toHaveLength(name === 'spr-v4-no-level' ? 1 : 0);
  });

  it('explainTdQuote names the one component that keeps Azure hosts below every level', async () => {
    const { tcb, checks } = await explainTdQuote(genuineQuote('azure-emr-v5'), optionsFor('azure-emr-v5'));
    expect(tcb?.shortfall).toEqual([
      { component: 'sgx[7]', category: 'OS/VMM', type: 'SEAMLDR ACM', required: 5, actual: 3 },
    ]);
    expect(checks.find(({ name }) => name === 'TCB level')?.actual).toContain(
      'sgx[7] (OS/VMM, SEAMLDR ACM) is 3, at least 5 is required',
    );
  });

  it('explainTdQuote names every component that falls short', async () => {
    const { now, collateral } = genuine('spr-v4-no-level');
    const options = { collateral: genuineCollateral(collateral), now: new Date(now) };
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
    const { now, collateral } = genuine('emr-v5-gcp');
    const options = { collateral: genuineCollateral(collateral), now: new Date(now) };
    const { tcb } = await explainTdQuote(genuineQuote('emr-v5-gcp'), options);
    expect(tcb?.collateralExpires.toISOString()).toBe('2026-03-20T10:41:15.000Z');
  });
});

describe.skipIf(!withFixtures)('verifyTdQuote on quotes that were made', () => {
  it.each(syntheticCases.map(({ name, why, expect: { code } }) => [name, code, why] as const))(
    'explainTdQuote gives %s its code %s (%s)',
    async (name, code) => {
      const [quote, options] = syntheticInput(name);
      const result = await explainTdQuote(quote, options);
      const found = codes(result);
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
