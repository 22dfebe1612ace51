import { describe, expect, it } from 'vitest';
import { defaultEngine } from '../../../lib/engine/choose.js';
import type { SignatureEngine } from '../../../lib/engine/engine.js';
import { nodeEngine } from '../../../lib/engine/node.js';
import { webcryptoEngine } from '../../../lib/engine/webcrypto.js';
import type { TdQuoteOptions } from '../../../lib/index.js';
import { explainTdQuoteIn } from '../../../lib/verify/tdx/td-quote.js';
import { flip, genuineCases, genuineQuote, syntheticCases } from '../../abi/tdx-fixtures.js';
import { withFixtures } from '../../fixtures.js';
import { acceptingOptions, firstCode, syntheticInput } from './quotes.js';

const ENGINES: readonly SignatureEngine[] = [defaultEngine(), nodeEngine, webcryptoEngine];

async function sameChecks(quote: Uint8Array, options: TdQuoteOptions, what: string): Promise<void> {
  const [first, ...others] = await Promise.all(ENGINES.map((engine) => explainTdQuoteIn({ engine }, quote, options)));
  for (const other of others) {
    if (first === undefined) return expect.unreachable();
    expect(other.checks, what).toEqual(first.checks);
    expect(other.tcb, what).toEqual(first.tcb);
  }
}

describe.skipIf(!withFixtures)('explainTdQuote with every engine', () => {
  it('all engines give the same checks for every genuine and every made quote', async () => {
    for (const { name } of genuineCases) await sameChecks(genuineQuote(name), acceptingOptions(name), name);
    for (const { name } of syntheticCases) {
      const { quote, options } = syntheticInput(name);
      await sameChecks(quote, options, name);
    }
  });

  it('all engines give the same checks for changed quotes', async () => {
    const quote = genuineQuote('emr-v5-gcp');
    const options = acceptingOptions('emr-v5-gcp');
    for (let bit = 0; bit < 8 * 1400; bit += 101) {
      flip(quote, bit);
      await sameChecks(quote, options, `bit ${bit}`);
      flip(quote, bit);
    }
  }, 60_000);

  it('explainTdQuote refuses every prefix of a quote as one that cannot be read, and never rejects', async () => {
    for (const name of ['azure-emr-v4-2026', 'emr-v5-gcp']) {
      const quote = genuineQuote(name);
      const options = acceptingOptions(name);
      for (let length = 0; length < 4900; length += 13) {
        const result = await explainTdQuoteIn({ engine: nodeEngine }, quote.subarray(0, length), options);
        if (firstCode(result) !== 'ERR_TD_QUOTE') expect.unreachable(`${name} of ${length} bytes`);
      }
    }
  });
});

describe('explainTdQuote with wrong arguments', () => {
  it.each<[string, unknown, unknown]>([
    ['a quote that is text', 'quote', {}],
    ['a quote that is missing', undefined, {}],
    ['an unknown option', new Uint8Array(8), { colateral: {} }],
    ['collateral without a document', new Uint8Array(8), { collateral: { tcbInfo: '{}' } }],
    ['collateral of other types', new Uint8Array(8), { collateral: { tcbInfo: {}, qeIdentity: {} } }],
    ['collateral that got lost', new Uint8Array(8), { collateral: undefined }],
    ['a policy of an unknown member', new Uint8Array(8), { policy: { tdx: { acceptedStatuses: [] } } }],
    ['a policy that accepts Revoked', new Uint8Array(8), { policy: { tdx: { acceptedTcbStatuses: ['Revoked'] } } }],
    [
      'a policy that accepts NotSupported as a status',
      new Uint8Array(8),
      { policy: { tdx: { acceptedTcbStatuses: ['NotSupported'] } } },
    ],
    ['allowUnsupportedTcb without minima', new Uint8Array(8), { policy: { tdx: { allowUnsupportedTcb: true } } }],
    ['15 least SVNs', new Uint8Array(8), { policy: { tdx: { minimumSgxTcb: Array(15).fill(0) } } }],
    ['a date that is none', new Uint8Array(8), { now: new Date(Number.NaN) }],
    ['no root', new Uint8Array(8), { trustedRoots: [] }],
  ])('explainTdQuote rejects with error 8 for %s', async (_, quote, options) => {
    const call = explainTdQuoteIn({ engine: nodeEngine }, quote as Uint8Array, options);
    await expect(call).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });
});
