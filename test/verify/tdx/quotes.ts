import {
  importTdxCollateral,
  type TdQuoteOptions,
  type TdQuoteVerification,
  type VerificationPolicy,
} from '../../../lib/index.js';
import { genuine, genuineCollateral, synthetic } from '../../abi/tdx-fixtures.js';
import { fixture } from '../../fixtures.js';

const UNSUPPORTED: VerificationPolicy = {
  tdx: {
    allowUnsupportedTcb: true,
    minimumSgxTcb: [1, 1, 2, 2, 2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0],
    minimumTeeTcbSvn: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  },
};

/** What a relying party would have to allow for a genuine quote to pass. */
const POLICIES: Readonly<Record<string, VerificationPolicy>> = {
  'azure-spr-v4-2024': { tdx: { acceptedTcbStatuses: ['OutOfDate'] } },
  'azure-emr-v5': UNSUPPORTED,
  'spr-v4-debug': { allowDebug: true },
  'emr-v5-below-every-level': { ...UNSUPPORTED, allowMigration: true },
  'spr-v4-no-level': UNSUPPORTED,
  'emr-v4-old-seamldr': UNSUPPORTED,
};

/** Collateral and time of a genuine quote, under the default policy. */
export function genuineOptions(name: string): TdQuoteOptions {
  const { now, collateral } = genuine(name);
  return { collateral: genuineCollateral(collateral), now: new Date(now) };
}

/** The same under a policy made for it. */
export function acceptingOptions(name: string): TdQuoteOptions {
  return { ...genuineOptions(name), policy: POLICIES[name] ?? {} };
}

/** A quote that was made, with its collateral, time and root. */
export function syntheticInput(name: string): {
  quote: Uint8Array;
  options: TdQuoteOptions & { collateral: NonNullable<TdQuoteOptions['collateral']> };
} {
  const { quote, collateral, now, root } = synthetic(name);
  return {
    quote: new Uint8Array(Buffer.from(quote, 'base64')),
    options: {
      collateral: importTdxCollateral(collateral),
      now: new Date(now),
      trustedRoots: [fixture(`tdx/synthetic/${root}`).toString('utf8')],
    },
  };
}

/** Codes of the failed checks but those that an earlier one took with it, each once. */
export function failedCodes({ checks }: Pick<TdQuoteVerification, 'checks'>): string[] {
  const failed = checks.filter(({ ok, code }) => !ok && code !== 'ERR_NOT_CHECKED');
  return [...new Set(failed.map(({ code }) => code ?? ''))];
}

/** Code of the first failed check: what `verifyTdQuote` rejects with. */
export const firstCode = ({ checks }: Pick<TdQuoteVerification, 'checks'>): string | undefined =>
  checks.find(({ ok }) => !ok)?.code;
