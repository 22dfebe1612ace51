import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseRevocationList } from '../../lib/abi/crl.js';
import { parsePckExtension } from '../../lib/abi/pck-extension.js';
import { parseCertificate, parseCertificates } from '../../lib/abi/x509.js';
import {
  explainTdQuote,
  importTdxCollateral,
  parseTdQuote,
  parseTdReport,
  type TdQuoteOptions,
  type TdxCollateral,
  verifyTdQuote,
} from '../../lib/index.js';
import { buildTdReport } from '../../lib/simulator/tdx/td-report.js';
import { ForgedPlatform } from '../verify/tdx/forge.js';
import { anything, mutated, mutatedJson, mutatedText } from './hostile.js';
import { asyncProperty, property, refusesTyped, rejectsTyped } from './property.js';

let quote: Uint8Array;
let collateral: TdxCollateral;
let trustedRoots: string[];

beforeAll(async () => {
  const platform = await ForgedPlatform.create();
  quote = platform.quote();
  collateral = platform.collateral();
  trustedRoots = [platform.authority.root.pem];
});

/** QuoteCollateralV3 of the collateral. */
function quoteCollateral(): Record<string, string> {
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
  return {
    pck_crl_issuer_chain: collateral.pckCrlIssuerChain ?? '',
    root_ca_crl: hex(collateral.rootCaCrl),
    pck_crl: hex(collateral.pckCrl),
    tcb_info_issuer_chain: collateral.tcbInfoIssuerChain,
    tcb_info: collateral.tcbInfo,
    tcb_info_signature: hex(collateral.tcbInfoSignature),
    qe_identity_issuer_chain: collateral.qeIdentityIssuerChain,
    qe_identity: collateral.qeIdentity,
    qe_identity_signature: hex(collateral.qeIdentitySignature),
  };
}

describe('parsers of TDX refuse hostile input with documented errors:', () => {
  it('TD quotes, TD reports, certificates, PCK extensions, revocation lists', () => {
    property(mutated(quote), (bytes) => refusesTyped(() => parseTdQuote(bytes)));
    property(mutated(buildTdReport(new Uint8Array(64))), (bytes) => refusesTyped(() => parseTdReport(bytes)));
    const [leaf] = parseCertificates(parseTdQuote(quote).pckCertification.data);
    property(mutated(leaf?.der ?? new Uint8Array()), (bytes) => {
      refusesTyped(() => parsePckExtension(parseCertificate(bytes)));
    });
    property(mutatedText(trustedRoots[0] ?? ''), (text) => refusesTyped(() => parseCertificates(text)));
    property(mutated(collateral.pckCrl), (bytes) => refusesTyped(() => parseRevocationList(bytes)));
  });

  it('collateral that was changed', () => {
    property(mutatedJson(quoteCollateral()), (value) => refusesTyped(() => importTdxCollateral(value as object)));
    property(mutatedText(JSON.stringify(quoteCollateral())), (text) => refusesTyped(() => importTdxCollateral(text)));
    property(anything, (value) => refusesTyped(() => importTdxCollateral(value as string)));
  });
});

describe('explainTdQuote always tells, and never accepts what was changed:', () => {
  it('a quote that was changed', async () => {
    const { padding } = parseTdQuote(quote);
    const used = quote.length - padding.length;
    await asyncProperty(mutated(quote), async (bytes) => {
      const result = await explainTdQuote(bytes, { collateral, trustedRoots });
      const isTheSame = Buffer.compare(bytes.subarray(0, used), quote.subarray(0, used)) === 0;
      // Line ends of PEM are the one thing that nothing covers.
      if (result.ok && !isTheSame) expect(result.tdQuote.signed).toEqual(parseTdQuote(quote).signed);
      expect(result.checks.length).toBeGreaterThan(0);
    });
  });

  it('collateral of any texts and bytes', async () => {
    const texts = ['tcbInfo', 'tcbInfoIssuerChain', 'qeIdentity', 'qeIdentityIssuerChain'] as const;
    const changed = fc.oneof(
      ...texts.map((name) => mutatedText(collateral[name]).map((text) => ({ [name]: text }))),
      mutated(collateral.pckCrl).map((bytes) => ({ pckCrl: bytes })),
      mutated(collateral.rootCaCrl).map((bytes) => ({ rootCaCrl: bytes })),
    );
    await asyncProperty(changed, async (change) => {
      const result = await explainTdQuote(quote, { collateral: { ...collateral, ...change }, trustedRoots });
      if (result.ok) expect(result.tcb?.status).toBe('UpToDate');
    });
  });

  it('arguments of any kind', async () => {
    await asyncProperty(fc.tuple(anything, anything), ([one, other]) =>
      rejectsTyped(() => verifyTdQuote(one as Uint8Array, other as TdQuoteOptions)),
    );
  });
});
