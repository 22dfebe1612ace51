import { describe, expect, it } from 'vitest';
import { memoryCache } from '../../lib/base/memory-cache.js';
import {
  explainTdQuote,
  type FetchTdxCollateralOptions,
  fetchTdxCollateral,
  importTdxCollateral,
} from '../../lib/index.js';
import { genuine, genuineQuote } from '../abi/tdx-fixtures.js';
import { fixture, withFixtures } from '../fixtures.js';

type Answer = { status: number; headers?: Record<string, string>; body?: string | Uint8Array };
type Override = (url: URL, count: number) => Answer | undefined;

const quote = (): Uint8Array => genuineQuote('azure-emr-v5');
const file = (): string => fixture('tdx/collateral/2026-03-90c06f000000.json').toString('utf8');
const members = (): Record<string, string> => JSON.parse(file()) as Record<string, string>;
const hex = (text = ''): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** Intel's service with genuine documents, and what it was asked for. `override` answers in its place. */
function service(override: Override = () => undefined): { asked: string[]; fetch: typeof fetch } {
  const asked: string[] = [];
  const documents = members();
  const genuineAnswer = (url: URL): Answer => {
    const signed = (name: string, member: string, header: string): Answer => ({
      status: 200,
      headers: { [header]: encodeURIComponent(documents[`${name}_issuer_chain`] ?? '') },
      body: `{"${member}":${documents[name]},"signature":"${documents[`${name}_signature`]}"}`,
    });
    switch (url.pathname) {
      case '/tdx/certification/v4/tcb':
        return url.searchParams.get('fmspc')?.toUpperCase() === '90C06F000000'
          ? signed('tcb_info', 'tcbInfo', 'TCB-Info-Issuer-Chain')
          : { status: 404 };
      case '/tdx/certification/v4/qe/identity':
        return signed('qe_identity', 'enclaveIdentity', 'SGX-Enclave-Identity-Issuer-Chain');
      case '/sgx/certification/v4/pckcrl':
        return {
          status: 200,
          headers: { 'SGX-PCK-CRL-Issuer-Chain': encodeURIComponent(documents.pck_crl_issuer_chain ?? '') },
          body: hex(documents.pck_crl),
        };
      case '/IntelSGXRootCA.der':
        return { status: 200, body: hex(documents.root_ca_crl) };
      case '/sgx/certification/v4/rootcacrl':
        return { status: 200, body: documents.root_ca_crl ?? '' };
      default:
        return { status: 404 };
    }
  };
  const counts = new Map<string, number>();
  const answer = async (input: string | URL | Request): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    asked.push(`${url.origin}${url.pathname}${url.search}`);
    const count = (counts.get(url.pathname) ?? 0) + 1;
    counts.set(url.pathname, count);
    const { status, headers = {}, body = '' } = override(url, count) ?? genuineAnswer(url);
    return new Response(typeof body === 'string' ? body : Buffer.from(body), { status, headers });
  };
  return { asked, fetch: answer as typeof fetch };
}

const quick: FetchTdxCollateralOptions = { retry: { retries: 2, baseDelayMs: 1, maxDelayMs: 1 } };

describe.skipIf(!withFixtures)('fetchTdxCollateral', () => {
  it('fetchTdxCollateral fetches the five parts of collateral from Intel, and they verify', async () => {
    const { asked, fetch } = service();
    const collateral = await fetchTdxCollateral(quote(), { fetch });
    expect(collateral).toEqual(importTdxCollateral(file()));
    expect(asked.sort()).toEqual([
      'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      'https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity',
      'https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=90c06f000000',
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    ]);
    const { tcb } = await explainTdQuote(quote(), { collateral, now: new Date(genuine('azure-emr-v5').now) });
    expect(tcb?.status).toBe('NotSupported');
  });

  it("fetchTdxCollateral asks Azure's cache, and Intel for the root's list where Azure has none", async () => {
    const { asked, fetch } = service((url) => (url.pathname.endsWith('rootcacrl') ? { status: 404 } : undefined));
    await expect(fetchTdxCollateral(quote(), { fetch, source: 'azure' })).resolves.toEqual(importTdxCollateral(file()));
    expect(asked).toContain('https://global.acccache.azure.net/tdx/certification/v4/tcb?fmspc=90c06f000000');
    expect(asked.at(-1) ?? '').toMatch(/tcb|identity/);
    expect(asked).toContain('https://certificates.trustedservices.intel.com/IntelSGXRootCA.der');
  });

  it('fetchTdxCollateral asks a cache of the caller, which has the list of the root in hex', async () => {
    const { asked, fetch } = service();
    const source = new URL('https://pccs.example:8081/');
    await expect(fetchTdxCollateral(quote(), { fetch, source })).resolves.toEqual(importTdxCollateral(file()));
    expect(asked.every((url) => url.startsWith('https://pccs.example:8081/'))).toBe(true);
    await expect(fetchTdxCollateral(quote(), { fetch, source: 'http://pccs.example' })).rejects.toMatchObject({
      code: 8,
    });
  });

  it('fetchTdxCollateral hands on which levels and which number are wanted, for both documents', async () => {
    for (const options of [{ update: 'early' }, { tcbEvaluationDataNumber: 18 }] as const) {
      const { asked, fetch } = service();
      await fetchTdxCollateral(quote(), { ...options, fetch });
      const [name, value] = Object.entries(options)[0] ?? [];
      expect(asked.filter((url) => new URL(url).searchParams.get(name ?? '') === String(value))).toHaveLength(2);
    }
    const both = { update: 'early', tcbEvaluationDataNumber: 18, fetch: service().fetch } as const;
    await expect(fetchTdxCollateral(quote(), both)).rejects.toMatchObject({ code: 8 });
  });

  it('fetchTdxCollateral asks for one number when the two documents come with two', async () => {
    const identity = (number: number): Answer => ({
      status: 200,
      headers: { 'SGX-Enclave-Identity-Issuer-Chain': encodeURIComponent(members().qe_identity_issuer_chain ?? '') },
      body: `{"enclaveIdentity":${members().qe_identity?.replace(/("tcbEvaluationDataNumber":)18/, `$1${number}`)},"signature":"${'00'.repeat(64)}"}`,
    });
    const { asked, fetch } = service((url) => {
      const number = url.searchParams.get('tcbEvaluationDataNumber');
      if (number === '19') return { status: 404 };
      return url.pathname.endsWith('identity') && number === null ? identity(19) : undefined;
    });
    await expect(fetchTdxCollateral(quote(), { fetch })).resolves.toEqual(importTdxCollateral(file()));
    expect(asked.filter((url) => url.includes('tcbEvaluationDataNumber=18'))).toHaveLength(2);
    const always = service((url) => (url.pathname.endsWith('identity') ? identity(19) : undefined));
    await expect(fetchTdxCollateral(quote(), { fetch: always.fetch })).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining('19 and 18') as string,
    });
  });

  it.each([
    [404, 5, 1],
    [410, 5, 1],
    [401, 5, 1],
    [429, 4, 3],
    [503, 4, 3],
    [500, 4, 3],
  ])('fetchTdxCollateral reports status %i as error %i after %i tries', async (status, code, tries) => {
    const { asked, fetch } = service((url) => (url.pathname.endsWith('/tcb') ? { status } : undefined));
    await expect(fetchTdxCollateral(quote(), { ...quick, fetch })).rejects.toMatchObject({ code, status });
    expect(asked.filter((url) => url.includes('/tcb?'))).toHaveLength(tries);
  });

  it('fetchTdxCollateral repeats a request after 429 and 503 and goes on', async () => {
    for (const status of [429, 503]) {
      const { fetch } = service((_, count) => (count === 1 ? { status, headers: { 'Retry-After': '0' } } : undefined));
      await expect(fetchTdxCollateral(quote(), { ...quick, fetch })).resolves.toEqual(importTdxCollateral(file()));
    }
  });

  it.each<[string, number, Override]>([
    ['nothing', 18, () => ({ status: 200, body: '' })],
    ['text that is not JSON', 2, () => ({ status: 200, body: 'gateway' })],
    ['a document without a signature', 2, () => ({ status: 200, body: `{"tcbInfo":${members().tcb_info}}` })],
    [
      'no issuer chain',
      2,
      () => ({ status: 200, body: `{"tcbInfo":${members().tcb_info},"signature":"${members().tcb_info_signature}"}` }),
    ],
    [
      'an issuer chain that is not URL-encoded',
      2,
      () => ({
        status: 200,
        headers: { 'TCB-Info-Issuer-Chain': '%E0%A4%A' },
        body: `{"tcbInfo":${members().tcb_info},"signature":"${members().tcb_info_signature}"}`,
      }),
    ],
    [
      'TCB info of another FMSPC',
      2,
      () => ({
        status: 200,
        headers: { 'TCB-Info-Issuer-Chain': encodeURIComponent(members().tcb_info_issuer_chain ?? '') },
        body: `{"tcbInfo":${members().tcb_info?.replace('90C06F000000', '00806F050000')},"signature":"${members().tcb_info_signature}"}`,
      }),
    ],
  ])('fetchTdxCollateral refuses %s in place of TCB info with error %i', async (_, code, override) => {
    const { fetch } = service((url, count) => (url.pathname.endsWith('/tcb') ? override(url, count) : undefined));
    await expect(fetchTdxCollateral(quote(), { ...quick, fetch })).rejects.toMatchObject({ code });
  });

  it('fetchTdxCollateral refuses a quote without certificates, and one that cannot be read', async () => {
    const bare = quote();
    const { fetch } = service();
    await expect(fetchTdxCollateral(bare.subarray(0, 100), { fetch })).rejects.toMatchObject({ code: 20 });
    await expect(fetchTdxCollateral(new Uint8Array(), { fetch })).rejects.toMatchObject({ code: 21 });
    await expect(fetchTdxCollateral('quote' as unknown as Uint8Array, { fetch })).rejects.toMatchObject({ code: 8 });
  });

  it('fetchTdxCollateral refuses unknown and mistyped options', async () => {
    for (const options of [{ sources: 'intel' }, { cache: {} }, { update: 'next' }, { proxy: true }, { source: '' }]) {
      const wrong = options as unknown as FetchTdxCollateralOptions;
      await expect(fetchTdxCollateral(quote(), wrong), JSON.stringify(options)).rejects.toMatchObject({ code: 8 });
    }
  });

  it('fetchTdxCollateral keeps in the cache what is still valid', async () => {
    // The genuine documents ended long ago: these end tomorrow. Their signatures are nobody's business here.
    const day = (offset: number): string =>
      new Date(Date.now() + offset * 86_400_000).toISOString().replace(/\.\d+/, '');
    const fresh = (text = ''): string =>
      text
        .replace(/"issueDate":"[^"]+"/, `"issueDate":"${day(-1)}"`)
        .replace(/"nextUpdate":"[^"]+"/, `"nextUpdate":"${day(1)}"`);
    const { asked, fetch } = service((url) => {
      const [name, member, header] = url.pathname.endsWith('/tcb')
        ? ['tcb_info', 'tcbInfo', 'TCB-Info-Issuer-Chain']
        : ['qe_identity', 'enclaveIdentity', 'SGX-Enclave-Identity-Issuer-Chain'];
      if (!url.pathname.startsWith('/tdx/')) return undefined;
      return {
        status: 200,
        headers: { [header]: encodeURIComponent(members()[`${name}_issuer_chain`] ?? '') },
        body: `{"${member}":${fresh(members()[name])},"signature":"${'00'.repeat(64)}"}`,
      };
    });
    const cache = memoryCache();
    const first = await fetchTdxCollateral(quote(), { fetch, cache });
    const before = asked.length;
    expect(await fetchTdxCollateral(quote(), { fetch, cache })).toEqual(first);
    // Both lists have ended, so they are asked for again; the documents are not.
    expect(asked.slice(before).some((url) => url.includes('/tdx/'))).toBe(false);
    expect(asked.slice(before)).toHaveLength(2);
  });
});
