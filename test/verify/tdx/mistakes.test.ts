import { beforeAll, describe, expect, it } from 'vitest';
import { explainTdQuote, parseTdQuote, type VerificationPolicy, verifyTdQuote } from '../../../lib/index.js';
import { genuineCollateral, genuineQuote } from '../../abi/tdx-fixtures.js';
import { withFixtures } from '../../fixtures.js';
import { ForgedPlatform, type Forgery } from './forge.js';
import { acceptingOptions, failedCodes, firstCode, genuineOptions, syntheticInput } from './quotes.js';

/** Mistakes that verifiers of TD quotes made, each with a vector in which nothing else is wrong. */

type Json = Record<string, unknown>;
const levels = (document: Json): Json[] => document.tcbLevels as Json[];
const identities = (document: Json): Json[] => document.tdxModuleIdentities as Json[];
const platformStatus = (status: string) => (document: Json) =>
  void Object.assign(levels(document)[0] ?? {}, { tcbStatus: status });
const firstOf = (list: unknown): Json => (list as Json[])[0] ?? {};
const hexUpper = (value: unknown): string => String(value).toUpperCase();

/** The module is out of date: ISVSVN 4 of version 1 where 13 is current. */
const OLD_MODULE = { teeTcbSvn: svn(4, 1, 4) };

function svn(...values: number[]): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, index) => values[index] ?? 0);
}

describe('verifyTdQuote does not repeat the mistakes of other verifiers', () => {
  let platform: ForgedPlatform;
  beforeAll(async () => {
    platform = await ForgedPlatform.create();
  });

  it('verifyTdQuote accepts the forged platform when nothing is wrong', async () => {
    const result = await platform.explain();
    expect(failedCodes(result)).toEqual([]);
    expect(result).toMatchObject({ ok: true, tcb: { status: 'UpToDate' } });
  });

  it.each<[string, Forgery, string]>([
    ['another QE vendor', { signed: (bytes) => bytes.fill(0xff, 12, 28) }, 'ERR_TD_QUOTE'],
    [
      'REPORTDATA of the QE that goes on behind the hash',
      { qeReport: (bytes) => bytes.fill(1, 383) },
      'ERR_QE_BINDING',
    ],
    ['an enclave of somebody else', { qeReport: (bytes) => bytes.fill(1, 128, 160) }, 'ERR_QE_IDENTITY'],
    ["another enclave of Intel's", { qeReport: (bytes) => bytes.fill(1, 256, 257) }, 'ERR_QE_IDENTITY'],
    ['another MISCSELECT', { qeReport: (bytes) => bytes.fill(1, 16, 17) }, 'ERR_QE_IDENTITY'],
    ['a quoting enclave in debug mode', { qeReport: (bytes) => bytes.fill(0x17, 48, 49) }, 'ERR_QE_IDENTITY'],
    [
      'the QE identity of SGX',
      { qeIdentity: (document) => void Object.assign(document, { id: 'QE' }) },
      'ERR_COLLATERAL_MISMATCH',
    ],
    [
      'a QE identity of version 3',
      { qeIdentity: (document) => void Object.assign(document, { version: 3 }) },
      'ERR_COLLATERAL_MISMATCH',
    ],
    [
      'TCB info of version 2',
      { tcbInfo: (document) => void Object.assign(document, { version: 2 }) },
      'ERR_COLLATERAL_MISMATCH',
    ],
    [
      'TCB info and QE identity of two evaluation numbers',
      { qeIdentity: (document) => void Object.assign(document, { tcbEvaluationDataNumber: 17 }) },
      'ERR_COLLATERAL_MISMATCH',
    ],
    [
      'a level of 15 components',
      { tcbInfo: (document) => void ((firstOf(document.tcbLevels).tcb as Json).sgxtcbcomponents as unknown[]).pop() },
      'ERR_COLLATERAL',
    ],
    ['an unknown status', { tcbInfo: platformStatus('Excellent') }, 'ERR_COLLATERAL'],
    [
      'two equal levels',
      { tcbInfo: (document) => void levels(document).push(structuredClone(levels(document)[0] ?? {})) },
      'ERR_COLLATERAL',
    ],
    [
      'TCB info that begins tomorrow',
      { tcbInfo: (document) => void Object.assign(document, { issueDate: '2199-01-01T00:00:00Z' }) },
      'ERR_COLLATERAL_EXPIRED',
    ],
    [
      'a QE identity that is revoked',
      { qeIdentity: (document) => void Object.assign(levels(document)[0] ?? {}, { tcbStatus: 'Revoked' }) },
      'ERR_TCB_STATUS',
    ],
    [
      'a TDX module that is revoked on an up-to-date platform',
      {
        tcbInfo: (document) =>
          void Object.assign(firstOf(firstOf(identities(document)).tcbLevels), { tcbStatus: 'Revoked' }),
      },
      'ERR_TCB_STATUS',
    ],
    ['a TDX module older than its lowest level', { report: { teeTcbSvn: svn(3, 1, 4) } }, 'ERR_TCB_NOT_SUPPORTED'],
    [
      'a quoting enclave older than its lowest level',
      { quote: { quotingEnclave: { isvSvn: 3 } } },
      'ERR_TCB_NOT_SUPPORTED',
    ],
    ['MRSIGNERSEAM that is not zero', { signed: (bytes) => bytes.fill(1, 48 + 64, 48 + 65) }, 'ERR_TDX_MODULE'],
    ['SEAMATTRIBUTES that are not zero', { signed: (bytes) => bytes.fill(1, 48 + 112, 48 + 113) }, 'ERR_TDX_MODULE'],
    ['a TDX module of a version that Intel does not name', { report: { teeTcbSvn: svn(13, 2, 4) } }, 'ERR_TDX_MODULE'],
    ['a TD that may migrate', { signed: (bytes) => bytes.fill(0x30, 48 + 123, 48 + 124) }, 'ERR_POLICY'],
    ['a TD that may be profiled', { signed: (bytes) => bytes.fill(0x10, 48 + 120, 48 + 121) }, 'ERR_POLICY'],
  ])('verifyTdQuote refuses %s', async (_, forgery, code) => {
    const result = await platform.explain(forgery);
    expect(failedCodes(result)).toEqual([code]);
    expect(result.ok).toBe(false);
  });

  it.each([
    ['UpToDate', 'OutOfDate'],
    ['SWHardeningNeeded', 'OutOfDate'],
    ['ConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded'],
    ['OutOfDate', 'OutOfDate'],
    ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
    ['Revoked', 'Revoked'],
  ])('the status of a platform that is %s with an old TDX module converges to %s', async (status, converged) => {
    const { tcb } = await platform.explain({ report: OLD_MODULE, tcbInfo: platformStatus(status) });
    expect(tcb).toMatchObject({ status: converged, platform: status, tdxModule: 'OutOfDate', qe: 'UpToDate' });
  });

  it.each([
    ['UpToDate', 'TDRelaunchAdvised'],
    ['ConfigurationNeeded', 'TDRelaunchAdvisedConfigurationNeeded'],
    ['OutOfDate', 'OutOfDate'],
    ['Revoked', 'Revoked'],
  ])('a TD launched under an old module on a platform that is %s now has the status %s', async (status, expected) => {
    const report = { ...OLD_MODULE, teeTcbSvn2: svn(13, 1, 4) };
    const { tcb } = await platform.explain({ report, quote: { version: 5 }, tcbInfo: platformStatus(status) });
    expect(tcb?.status).toBe(expected);
  });

  it('requireCurrentTcb judges the module that runs now, and refuses quotes that do not name it', async () => {
    const policy: VerificationPolicy = { tdx: { requireCurrentTcb: true } };
    const current = (module: number) => ({ report: { teeTcbSvn2: svn(module, 1, 4) }, quote: { version: 5 as const } });
    expect((await platform.explain(current(13), { policy })).ok).toBe(true);
    expect(failedCodes(await platform.explain(current(4), { policy }))).toEqual(['ERR_TCB_STATUS']);
    expect((await platform.explain(current(4))).ok).toBe(true);
    expect(failedCodes(await platform.explain({}, { policy }))).toEqual(['ERR_TCB_STATUS']);
  });

  it('no policy accepts a revoked TCB', async () => {
    const accept = { tdx: { acceptedTcbStatuses: ['Revoked'] } } as unknown as VerificationPolicy;
    await expect(platform.explain({}, { policy: accept })).rejects.toMatchObject({ code: 8 });
    const policy: VerificationPolicy = {
      tdx: { allowUnsupportedTcb: true, minimumSgxTcb: Array(16).fill(0), minimumTeeTcbSvn: Array(16).fill(0) },
    };
    const revoked = (document: Json) => void Object.assign(levels(document)[0] ?? {}, { tcbStatus: 'Revoked' });
    const belowEveryLevel = {
      tcbInfo: (document: Json) => void Object.assign(levels(document)[1]?.tcb as Json, { pcesvn: 99 }),
    };
    const result = await platform.explain({ ...belowEveryLevel, qeIdentity: revoked }, { policy });
    expect(failedCodes(result)).toEqual(['ERR_TCB_STATUS']);
  });

  it('the order of levels in the document does not decide', async () => {
    const { tcb } = await platform.explain({ tcbInfo: (document) => void levels(document).reverse() });
    expect(tcb?.status).toBe('UpToDate');
  });

  it('hex in either case, of FMSPC, PCE id, module id and MRSIGNER, is the same', async () => {
    const result = await platform.explain({
      tcbInfo: (document) => {
        Object.assign(document, { fmspc: String(document.fmspc).toLowerCase() });
        Object.assign(identities(document)[0] ?? {}, { id: 'tdx_01' });
      },
      qeIdentity: (document) => void Object.assign(document, { mrsigner: hexUpper(document.mrsigner) }),
    });
    expect(failedCodes(result)).toEqual([]);
  });

  it('a PCK certificate that is not valid yet is refused as such', async () => {
    const year = 365 * 86_400_000;
    const validity = { notBefore: new Date(Date.now() + year), notAfter: new Date(Date.now() + 2 * year) };
    const early = await ForgedPlatform.create({ validity });
    expect(failedCodes(await early.explain())).toEqual(['ERR_CERTIFICATE_NOT_YET_VALID']);
  });

  it('a chain whose CA is another leaf is refused', async () => {
    const other = await ForgedPlatform.create();
    const [leaf = ''] = other.chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    const [, ca = '', root = ''] = platform.chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    for (const chain of [leaf + ca + root, leaf + leaf + root, root + ca + leaf, leaf + root, leaf]) {
      const quote = platform.quote();
      const collateral = { ...platform.collateral(), pckCertificateChain: chain };
      // Certification data of type 1: the chain is the collateral's.
      const { pckCertification } = parseTdQuote(quote);
      new DataView(quote.buffer).setUint16(pckCertification.data.byteOffset - 6, 1, true);
      const result = await explainTdQuote(quote, { collateral, trustedRoots: [platform.authority.root.pem] });
      expect(firstCode(result)).toBe('ERR_CERTIFICATE_CHAIN');
    }
  });

  it('a quote without a chain takes that of the collateral, and fails without one', async () => {
    const quote = platform.quote();
    const { pckCertification } = parseTdQuote(quote);
    new DataView(quote.buffer).setUint16(pckCertification.data.byteOffset - 6, 3, true);
    const trustedRoots = [platform.authority.root.pem];
    const without = await explainTdQuote(quote, { collateral: platform.collateral(), trustedRoots });
    expect(failedCodes(without)).toEqual(['ERR_CERTIFICATE_MISSING']);
    const collateral = { ...platform.collateral(), pckCertificateChain: platform.chain };
    await expect(verifyTdQuote(quote, { collateral, trustedRoots })).resolves.toMatchObject({ ok: true });
  });

  it('all rows are listed whatever fails first', async () => {
    const good = await platform.explain();
    const names = new Set(good.checks.map(({ name }) => name));
    const bad = await explainTdQuote(platform.quote({ signed: (bytes) => bytes.fill(0xff, 12, 28) }), {
      collateral: { ...platform.collateral(), tcbInfo: '{}', pckCrl: new Uint8Array(4) },
      trustedRoots: [platform.authority.root.pem],
    });
    expect(new Set(bad.checks.map(({ name }) => name))).toEqual(names);
  });

  it('all rows are listed where there is no collateral, or no chain', async () => {
    const names = (await platform.explain()).checks.map(({ name }) => name);
    const quote = platform.quote();
    const { pckCertification } = parseTdQuote(quote);
    const trustedRoots = [platform.authority.root.pem];
    const absent = await explainTdQuote(quote, { trustedRoots });
    const skipped = await explainTdQuote(quote, { trustedRoots, policy: { tdx: { requireCollateral: false } } });
    new DataView(quote.buffer).setUint16(pckCertification.data.byteOffset - 6, 3, true);
    const unchained = await explainTdQuote(quote, { trustedRoots, collateral: platform.collateral() });
    for (const { checks } of [absent, skipped, unchained]) {
      expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    }
    const dependent = absent.checks.filter(({ ok, code }) => !ok && code !== 'ERR_COLLATERAL_MISSING');
    expect(new Set(dependent.map(({ code }) => code))).toEqual(new Set(['ERR_NOT_CHECKED']));
    expect(skipped.checks.filter(({ skipped: isSkipped }) => isSkipped)).toHaveLength(dependent.length + 1);
  });
});

describe('collateral is demanded unless the policy says otherwise', () => {
  it('verifyTdQuote refuses a quote without collateral, and skips what needs some where the policy asks for none', async () => {
    const platform = await ForgedPlatform.create();
    const trustedRoots = [platform.authority.root.pem];
    const refused = await explainTdQuote(platform.quote(), { trustedRoots });
    expect(failedCodes(refused)).toEqual(['ERR_COLLATERAL_MISSING']);
    expect(refused.tdQuote).toBeUndefined();
    const result = await verifyTdQuote(platform.quote(), {
      trustedRoots,
      policy: { tdx: { requireCollateral: false } },
    });
    expect(result.tcb).toBeUndefined();
    expect(result.warnings).toEqual([expect.stringContaining('no collateral')]);
    const skipped = result.checks.filter((check) => check.skipped).map(({ name }) => name);
    expect(skipped).toContain('quoting enclave MRSIGNER');
    expect(skipped).toContain('TCB status');
    const given = await explainTdQuote(platform.quote(), {
      trustedRoots,
      collateral: { ...platform.collateral(), tcbInfoSignature: new Uint8Array(64) },
      policy: { tdx: { requireCollateral: false } },
    });
    expect(failedCodes(given)).toEqual(['ERR_COLLATERAL_SIGNATURE']);
  });
});

describe.skipIf(!withFixtures)('collateral of another kind is refused', () => {
  const quote = withFixtures ? genuineQuote('emr-v5-gcp') : new Uint8Array();

  it('verifyTdQuote refuses collateral of another FMSPC, of another time, and with its parts swapped', async () => {
    const options = acceptingOptions('emr-v5-gcp');
    const collateral = options.collateral ?? expect.unreachable();
    const other = genuineCollateral('../collateral/2025-07-b0c06f000000.json');
    const explain = async (changed: object, now = options.now) =>
      failedCodes(
        await explainTdQuote(quote, { ...options, ...(now && { now }), collateral: { ...collateral, ...changed } }),
      );
    expect(await explain({})).toEqual([]);
    expect(await explain(other, new Date('2025-07-01T00:00:00Z'))).toContain('ERR_COLLATERAL_MISMATCH');
    expect(await explain({}, new Date('2026-04-02T00:00:00Z'))).toEqual(['ERR_CRL_EXPIRED', 'ERR_COLLATERAL_EXPIRED']);
    expect(await explain({}, new Date('2026-02-01T00:00:00Z'))).toEqual(['ERR_CRL_EXPIRED', 'ERR_COLLATERAL_EXPIRED']);
    expect(await explain({ rootCaCrl: collateral.pckCrl })).toEqual(['ERR_CRL']);
    expect(await explain({ pckCrl: collateral.rootCaCrl })).toEqual(['ERR_CRL']);
    const { tcbInfo, qeIdentity, tcbInfoSignature, qeIdentitySignature } = collateral;
    expect(await explain({ tcbInfo: qeIdentity, tcbInfoSignature: qeIdentitySignature })).toEqual([
      'ERR_COLLATERAL_MISMATCH',
    ]);
    expect(await explain({ qeIdentity: tcbInfo, qeIdentitySignature: tcbInfoSignature })).toEqual([
      'ERR_COLLATERAL_MISMATCH',
    ]);
    expect(await explain({ tcbInfoSignature: qeIdentitySignature })).toEqual(['ERR_COLLATERAL_SIGNATURE']);
    expect(await explain({ tcbInfoIssuerChain: collateral.pckCrlIssuerChain })).toEqual(['ERR_COLLATERAL_SIGNATURE']);
  });

  it('verifyTdQuote takes whole answers of the service, and lists as PEM and hex', async () => {
    const options = acceptingOptions('emr-v5-gcp');
    const collateral = options.collateral ?? expect.unreachable();
    const hex = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString('hex');
    const { tcbInfoSignature, qeIdentitySignature, ...rest } = collateral;
    const pem = `-----BEGIN X509 CRL-----\n${Buffer.from(rest.pckCrl).toString('base64')}\n-----END X509 CRL-----\n`;
    const result = await explainTdQuote(quote, {
      ...options,
      collateral: {
        ...rest,
        tcbInfo: `{"tcbInfo":${rest.tcbInfo},"signature":"${hex(tcbInfoSignature)}"}`,
        qeIdentity: `{"signature":"${hex(qeIdentitySignature)}","enclaveIdentity":${rest.qeIdentity}}`,
        pckCrl: new Uint8Array(Buffer.from(pem)),
        rootCaCrl: new Uint8Array(Buffer.from(hex(rest.rootCaCrl))),
      },
    });
    expect(failedCodes(result)).toEqual([]);
  });

  it("verifyTdQuote does not trust Intel's root where the caller names another, nor the reverse", async () => {
    const { options } = syntheticInput('v5-up-to-date');
    const { trustedRoots = [] } = options;
    const genuine = await explainTdQuote(quote, { ...genuineOptions('emr-v5-gcp'), trustedRoots });
    expect(failedCodes(genuine)).toEqual(['ERR_ROOT_NOT_TRUSTED']);
    expect(genuine.tdQuote).toBeUndefined();
    expect(genuine.tcb).toBeUndefined();
    const pinned = [
      { product: 'IntelSgx', publicKeySha256: 'A0AF031289F5D5D4132F9186068A7FC13628633BA235777472E29B6B6C67A49E' },
    ] as const;
    expect((await explainTdQuote(quote, { ...genuineOptions('emr-v5-gcp'), trustedRoots: pinned })).ok).toBe(true);
  });
});
