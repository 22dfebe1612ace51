import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Behaviour, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterAll(() => cvm.stop());

const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${cvm.imdsUrl}${path}`, { ...init, headers: { Metadata: 'true' } });

const akCertificate = (): string =>
  cvm.vtpmAuthority.issueAkCertificate(new X509Certificate(cvm.vtpmAuthority.certificate.der).publicKey, cvm.vmId).pem;

describe('the metadata service', () => {
  it('wants the header that a proxy or a browser would not send', async () => {
    expect((await fetch(`${cvm.imdsUrl}${imdsPaths.thimCertification}`)).status).toBe(400);
  });

  it('hands out certificates that prove this chip, and the TCB they are for', async () => {
    const answer = (await (await ask(imdsPaths.thimCertification)).json()) as Record<string, string>;
    const vcek = new X509Certificate(answer.vcekCert ?? '');
    const [ask_, ark] = (answer.certificateChain ?? '').split(/(?<=-----END CERTIFICATE-----\n)/);
    expect(vcek.verify(new X509Certificate(ask_ ?? '').publicKey)).toBe(true);
    expect(new X509Certificate(ask_ ?? '').verify(new X509Certificate(ark ?? '').publicKey)).toBe(true);
    expect(Number.parseInt(vcek.serialNumber, 16)).toBe(0);
    expect(answer.tcbm).toBe('DB18000000000004');
    expect(Number(answer.cacheControl)).toBeGreaterThan(0);
  });

  it('knows the id of the VM', async () => {
    const url = `${imdsPaths.vmId}?api-version=2019-03-11&format=text`;
    expect(await (await ask(url)).text()).toBe(cvm.vmId);
  });

  it('renews the certificate of an attestation key at once', async () => {
    const url = `${imdsPaths.akRenewal}?api-version=2023-07-01&vmId=${cvm.vmId}&requestId=1`;
    const body = encodeURIComponent(akCertificate());
    const answer = (await (await ask(url, { method: 'POST', body })).json()) as { AkCertPem: string };
    const renewed = new X509Certificate(answer.AkCertPem);
    expect(renewed.publicKey.equals(new X509Certificate(cvm.vtpmAuthority.certificate.der).publicKey)).toBe(true);
    expect(Date.parse(renewed.validTo) - Date.now()).toBeGreaterThan(360 * 24 * 3600 * 1000);
  });

  it('renews it the older way: a query id first, the certificate later', async () => {
    const query = `api-version=2021-12-01&vmId=${cvm.vmId}&requestId=1`;
    const body = encodeURIComponent(akCertificate());
    const id = await (await ask(`${imdsPaths.akRenewal}?${query}`, { method: 'POST', body })).text();
    const pem = await (await ask(`${imdsPaths.akQuery}?${query}&guid=${id}`)).text();
    expect(new X509Certificate(pem).subject).toContain(cvm.vmId.toLowerCase());
    expect((await ask(`${imdsPaths.akQuery}?${query}&guid=other`)).status).toBe(404);
  });

  it.each([
    ['another VM', 'vmId=7', ''],
    ['no certificate', '', 'nothing'],
  ])('refuses to renew for %s', async (_name, vmId, body) => {
    const url = `${imdsPaths.akRenewal}?api-version=2023-07-01&${vmId || `vmId=${cvm.vmId}`}`;
    expect((await ask(url, { method: 'POST', body: body || encodeURIComponent(akCertificate()) })).status).toBe(400);
  });

  it.each<[string, Behaviour, (answer: Promise<Response>) => Promise<unknown>, unknown]>([
    [
      'a status',
      { kind: 'answer', status: 429, headers: { 'retry-after': '7' } },
      async (r) => (await r).headers.get('retry-after'),
      '7',
    ],
    ['a body', { kind: 'answer', body: { a: 1 } }, async (r) => (await r).json(), { a: 1 }],
    [
      'a closed connection',
      { kind: 'close' },
      (r) =>
        r.then(
          () => 'answered',
          () => 'closed',
        ),
      'closed',
    ],
    [
      'half a body',
      { kind: 'close-mid-body' },
      async (r) =>
        (await r).text().then(
          () => 'whole',
          () => 'cut',
        ),
      'cut',
    ],
    ['one byte after the other', { kind: 'drip', intervalMs: 1 }, async (r) => (await (await r).text()).length, 36],
    ['too much', { kind: 'oversized', bytes: 100_000 }, async (r) => (await (await r).text()).length, 100_012],
    ['a change', { kind: 'modify', modify: (a) => ({ ...a, status: 203 }) }, async (r) => (await r).status, 203],
    ['a delay', { kind: 'delay', ms: 20 }, async (r) => (await r).status, 200],
  ])('answers with %s where that is asked for, once', async (_name, behaviour, read, expected) => {
    cvm.imds.respond(imdsPaths.vmId, behaviour);
    expect(await read(ask(imdsPaths.vmId))).toEqual(expected);
    expect(await (await ask(imdsPaths.vmId)).text()).toBe(cvm.vmId);
  });

  it.each<Behaviour>([{ kind: 'hang' }, { kind: 'hang-after-headers' }])(
    'never answers with $kind',
    async (behaviour) => {
      cvm.imds.respond(imdsPaths.vmId, behaviour);
      const signal = AbortSignal.timeout(200);
      await expect(ask(imdsPaths.vmId, { signal }).then((response) => response.text())).rejects.toThrow(
        /abort|timeout/i,
      );
    },
  );

  it('keeps what it was asked', async () => {
    await ask(imdsPaths.location);
    expect(cvm.imds.requests.at(-1)).toMatchObject({ method: 'GET', headers: { metadata: 'true' } });
  });
});
