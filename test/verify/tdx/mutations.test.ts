import { afterAll, describe, expect, it } from 'vitest';
import { explainTdQuote, parseTdQuote, type TdQuoteOptions, type TdxCollateral } from '../../../lib/index.js';
import { pemCertificates } from '../../abi/certificates.js';
import { flip, genuineCases, genuineQuote } from '../../abi/tdx-fixtures.js';
import { withFixtures } from '../../fixtures.js';
import { acceptingOptions, firstCode } from './quotes.js';

/**
 * Every single-bit change of what is signed must be refused with the code of the check that covers it. With TDX_MUTATIONS=all
 * every bit of every genuine quote and its collateral; otherwise every bit of two quotes, and some of the rest.
 */
const ALL = process.env.TDX_MUTATIONS === 'all';
const QUOTES = ALL ? genuineCases.map(({ name }) => name) : ['azure-emr-v4-2026', 'emr-v5-gcp'];
/** Of certificates, lists and documents every so many bits: each costs a chain or a set of collateral. */
const STEP = ALL ? 1 : 23;
const TIMEOUT = ALL ? 3_600_000 : 120_000;
const counts = new Map<string, number>();

afterAll(() => {
  if (ALL) console.info(Object.fromEntries([...counts].sort()));
});

async function expectCode(
  quote: Uint8Array,
  options: TdQuoteOptions,
  codes: readonly string[],
  what: string,
): Promise<void> {
  const result = await explainTdQuote(quote, options);
  const code = firstCode(result);
  if (code === undefined || !codes.includes(code)) {
    expect.unreachable(`${what}: ${code ?? 'accepted'} instead of ${codes.join(' or ')}`);
  }
  counts.set(code, (counts.get(code) ?? 0) + 1);
}

/** Code of the check that covers a byte of header and body. */
function codeOfSigned(offset: number, version: number): string {
  const decidesLayout = offset < 8 || (version === 5 && offset >= 48 && offset < 54);
  const isVendor = offset >= 12 && offset < 28;
  return decidesLayout || isVendor ? 'ERR_TD_QUOTE' : 'ERR_TD_QUOTE_SIGNATURE';
}

describe.skipIf(!withFixtures).each(QUOTES)('single-bit changes of %s', (name) => {
  it(
    'verifyTdQuote refuses each of a signed byte, a signature or a key with the code of the check that covers it',
    async () => {
      const quote = genuineQuote(name);
      const options = acceptingOptions(name);
      const parsed = parseTdQuote(quote);
      expect((await explainTdQuote(quote, options)).ok).toBe(true);
      const ranges: [Uint8Array, (offset: number) => string][] = [
        [parsed.signed, (offset) => codeOfSigned(offset, parsed.version)],
        [parsed.signature, () => 'ERR_TD_QUOTE_SIGNATURE'],
        [parsed.attestationKey, () => 'ERR_QE_BINDING'],
        [parsed.qeReport.raw, () => 'ERR_QE_SIGNATURE'],
        [parsed.qeReportSignature, () => 'ERR_QE_SIGNATURE'],
        [parsed.qeAuthenticationData, () => 'ERR_QE_BINDING'],
      ];
      for (const [range, codeOf] of ranges) {
        const start = range.byteOffset - quote.byteOffset;
        for (let bit = 0; bit < 8 * range.length; bit++) {
          flip(quote, 8 * start + bit);
          await expectCode(quote, options, [codeOf(bit >> 3)], `bit ${8 * start + bit}`);
          flip(quote, 8 * start + bit);
        }
      }
      expect((await explainTdQuote(quote, options)).ok).toBe(true);
    },
    TIMEOUT,
  );

  it(
    'verifyTdQuote refuses each of its certificates as one of a chain that does not hold',
    async () => {
      const quote = genuineQuote(name);
      const options = acceptingOptions(name);
      const certificates = pemCertificates(Buffer.from(parseTdQuote(quote).pckCertification.data).toString('latin1'));
      for (const [index, der] of certificates.entries()) {
        const codes = [
          'ERR_CERTIFICATE_FORMAT',
          'ERR_CERTIFICATE_CHAIN',
          ...(index === 2 ? ['ERR_ROOT_NOT_TRUSTED'] : []),
        ];
        for (let bit = index; bit < 8 * der.length; bit += STEP) {
          const changed = certificates.map((each) => new Uint8Array(each));
          flip(changed[index] ?? new Uint8Array(), bit);
          await expectCode(withChain(quote, pemOf(changed)), options, codes, `certificate ${index}, bit ${bit}`);
        }
      }
    },
    TIMEOUT,
  );
});

describe.skipIf(!withFixtures).each(ALL ? QUOTES : QUOTES.slice(1))(
  'single-bit changes of the collateral of %s',
  (name) => {
    const quote = withFixtures ? genuineQuote(name) : new Uint8Array();
    const options = acceptingOptions(name);
    const collateral = options.collateral as TdxCollateral;
    const refused = (changed: Partial<TdxCollateral>, codes: readonly string[], what: string): Promise<void> =>
      expectCode(quote, { ...options, collateral: { ...collateral, ...changed } }, codes, what);

    it(
      'verifyTdQuote refuses each of a document or its signature as not signed by Intel',
      async () => {
        for (const member of ['tcbInfo', 'qeIdentity'] as const) {
          const text = collateral[member];
          for (let bit = 0; bit < 7 * text.length; bit += STEP) {
            const at = Math.floor(bit / 7);
            const changed = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ (1 << (bit % 7)))}${text.slice(at + 1)}`;
            // White space around the value is not part of it.
            if (changed.trim() === text) continue;
            await refused({ [member]: changed }, ['ERR_COLLATERAL_SIGNATURE'], `${member} bit ${bit}`);
          }
          for (let bit = 0; bit < 512; bit++) {
            const signature = new Uint8Array(collateral[`${member}Signature`] ?? []);
            flip(signature, bit);
            await refused(
              { [`${member}Signature`]: signature },
              ['ERR_COLLATERAL_SIGNATURE'],
              `${member} signature bit ${bit}`,
            );
          }
        }
      },
      TIMEOUT,
    );

    it(
      'verifyTdQuote refuses each of a signing certificate',
      async () => {
        for (const member of ['tcbInfoIssuerChain', 'qeIdentityIssuerChain'] as const) {
          const certificates = pemCertificates(collateral[member]);
          for (const [index, der] of certificates.entries()) {
            for (let bit = index; bit < 8 * der.length; bit += STEP) {
              const changed = certificates.map((each) => new Uint8Array(each));
              flip(changed[index] ?? new Uint8Array(), bit);
              const codes = ['ERR_COLLATERAL_SIGNATURE', 'ERR_ROOT_NOT_TRUSTED'];
              await refused({ [member]: pemOf(changed) }, codes, `${member} ${index}, bit ${bit}`);
            }
          }
        }
      },
      TIMEOUT,
    );

    it(
      'verifyTdQuote refuses each of a revocation list',
      async () => {
        for (const member of ['rootCaCrl', 'pckCrl'] as const) {
          const list = new Uint8Array(collateral[member]);
          for (let bit = 0; bit < 8 * list.length; bit += STEP) {
            flip(list, bit);
            await refused({ [member]: list }, ['ERR_CRL'], `${member} bit ${bit}`);
            flip(list, bit);
          }
        }
      },
      TIMEOUT,
    );
  },
);

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`)
    .join('');
}

/** The quote with another chain in it, all lengths right. */
function withChain(quote: Uint8Array, pem: string): Uint8Array {
  const { pckCertification, signed } = parseTdQuote(quote);
  const start = pckCertification.data.byteOffset - quote.byteOffset;
  const chain = Buffer.from(pem, 'latin1');
  const changed = new Uint8Array(start + chain.length);
  changed.set(quote.subarray(0, start));
  changed.set(chain, start);
  const view = new DataView(changed.buffer);
  const grown = chain.length - pckCertification.data.length;
  for (const at of [signed.length, signed.length + 4 + 130, start - 4])
    view.setUint32(at, view.getUint32(at, true) + grown, true);
  return changed;
}
