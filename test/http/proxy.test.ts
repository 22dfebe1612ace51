import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { proxyFor } from '../../lib/http/proxy.js';
import { AttestationClient, KdsClient, MaaClient, verifyToken } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { startProxy, type TestProxy } from './proxy-server.js';

const through = (target: string, env: Record<string, string>, option?: string | false): string | undefined =>
  proxyFor(new URL(target), option, env)?.href;

describe('the proxy of a request', () => {
  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://a.example/', {}, undefined],
    ['https://a.example/', { HTTPS_PROXY: 'http://p:3128' }, 'http://p:3128/'],
    ['https://a.example/', { https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:2' }, 'http://low:1/'],
    ['https://a.example/', { HTTPS_PROXY: 'p:3128' }, 'http://p:3128/'],
    ['https://a.example/', { HTTPS_PROXY: 'https://p' }, 'https://p/'],
    ['https://a.example/', { HTTP_PROXY: 'http://p:3128' }, undefined],
    ['http://a.example/', { HTTP_PROXY: 'http://p:3128' }, 'http://p:3128/'],
    ['http://a.example/', { HTTP_PROXY: 'http://p:3128', REQUEST_METHOD: 'GET' }, undefined],
    ['http://a.example/', { http_proxy: 'http://p:3128', REQUEST_METHOD: 'GET' }, 'http://p:3128/'],
    ['https://a.example/', { ALL_PROXY: 'http://p' }, 'http://p/'],
    ['https://a.example/', { HTTPS_PROXY: '' }, undefined],
  ])('for %s and %o is %s', (target, env, expected) => {
    expect(through(target, env)).toBe(expected);
  });

  it.each<[string, string, boolean]>([
    ['*', 'https://a.example/', true],
    ['a.example', 'https://a.example/', true],
    ['a.example', 'https://b.a.example/', true],
    ['.a.example', 'https://b.a.example/', true],
    ['*.a.example', 'https://b.a.example/', true],
    ['a.example', 'https://ba.example/', false],
    ['A.EXAMPLE', 'https://a.example/', true],
    ['x, a.example y', 'https://a.example/', true],
    ['a.example:443', 'https://a.example/', true],
    ['a.example:8443', 'https://a.example/', false],
    ['127.0.0.1', 'https://127.0.0.1/', true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/99', 'https://10.1.2.3/', false],
    ['::1', 'https://[::1]/', true],
    ['fd00::/8', 'https://[fd00::5]/', true],
    ['0.1', 'https://127.0.0.1/', false],
    ['', 'https://a.example/', false],
  ])('no_proxy of %o for %s: exempt is %s', (list, target, exempt) => {
    expect(through(target, { HTTPS_PROXY: 'http://p', NO_PROXY: list }) === undefined).toBe(exempt);
  });

  it('is the one of the option, or none, whatever the environment says', () => {
    const env = { HTTPS_PROXY: 'http://p', NO_PROXY: '*' };
    expect(through('https://a.example/', env, 'http://mine:1')).toBe('http://mine:1/');
    expect(through('https://a.example/', env, false)).toBeUndefined();
  });

  it.each(['socks5://p:1080', 'http://', ':'])(
    '%o in the environment is an error, and not a direct connection',
    (value) => {
      expect(() => through('https://a.example/', { HTTPS_PROXY: value })).toThrow('https_proxy of the environment');
    },
  );
});

describe('with a proxy', () => {
  let cvm: SimulatedCvm;
  let proxy: TestProxy;
  let ca: string;
  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ attestation: { tls: true } });
    ca = cvm.ca ?? '';
    proxy = await startProxy();
  });
  afterEach(() => {
    proxy.asked.length = 0;
    proxy.authorization.length = 0;
    delete proxy.refuseWith;
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await cvm?.stop();
  });

  const host = (): string => new URL(cvm.attestationUrl).host;
  const client = (options: object = {}): AttestationClient =>
    new AttestationClient({
      tcti: cvm.tcti,
      imdsUrl: cvm.imdsUrl,
      eventLogPath: cvm.eventLogPath,
      osReleasePath: cvm.osReleasePath,
      ca,
      retry: { retries: 0 },
      ...options,
    });

  it.each<[string, () => object, () => void]>([
    ['the option', () => ({ proxy: proxy.url }), () => {}],
    [
      'the environment',
      () => ({}),
      () => {
        vi.stubEnv('HTTPS_PROXY', proxy.url);
        vi.stubEnv('HTTP_PROXY', proxy.url);
      },
    ],
  ])('of %s, evidence and key sets go through it, and instance metadata does not', async (_, options, prepare) => {
    prepare();
    await using guest = client(options());
    const token = await guest.attest({ attestationUrl: cvm.attestationUrl }, { verify: true });
    expect(token).toMatch(/^ey/);
    expect(proxy.asked).toEqual([`CONNECT ${host()}`, `CONNECT ${host()}`]);
    await guest.getEvidence();
    expect(proxy.asked).toHaveLength(2);
  });

  it('verifyToken fetches keys through the one of its keyFetch', async () => {
    await using guest = client();
    const token = await guest.attest({ attestationUrl: cvm.attestationUrl });
    expect(proxy.asked).toEqual([]);
    await verifyToken(token, { issuer: cvm.attestationUrl, keyFetch: { ca, proxy: proxy.url, lifetimeMs: 1 } });
    expect(proxy.asked).toEqual([`CONNECT ${host()}`]);
  });

  it('the REST client and the key service go through it, and plain HTTP by the whole address', async () => {
    await new MaaClient(cvm.attestationUrl, { ca, proxy: proxy.url }).signingKeys();
    const kds = new KdsClient({ baseUrl: cvm.kdsUrl, proxy: proxy.url, cacheDirectory: false });
    await kds.chain('Milan');
    expect(proxy.asked).toEqual([`CONNECT ${host()}`, `GET ${cvm.kdsUrl.replace(/\/$/, '')}/vcek/v1/Milan/cert_chain`]);
  });

  it('sends user and password of its URL to it, and to nobody else', async () => {
    const address = new URL(proxy.url);
    address.username = 'us%40er';
    address.password = 'p%3Aw';
    await new MaaClient(cvm.attestationUrl, { ca, proxy: address.href }).signingKeys();
    expect(proxy.authorization).toEqual([`Basic ${Buffer.from('us@er:p:w').toString('base64')}`]);
  });

  it('that refuses is an error with its status (code 7), and without its password', async () => {
    proxy.refuseWith = 407;
    await using guest = client({ proxy: proxy.url.replace('http://', 'http://user:secret@') });
    const failure = await guest.attest({ attestationUrl: cvm.attestationUrl }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 7, message: expect.stringContaining('407') });
    expect(String((failure as Error).message)).not.toContain('secret');
  });

  it('that is silent is given up after the time for a connection, and an abort ends it at once', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    await using guest = client({ proxy: `http://127.0.0.1:${port}`, connectTimeoutMs: 200 });
    await expect(guest.attest({ attestationUrl: cvm.attestationUrl })).rejects.toMatchObject({ code: 7 });
    await using patient = client({ proxy: `http://127.0.0.1:${port}` });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    await expect(
      patient.attest({ attestationUrl: cvm.attestationUrl }, { signal: controller.signal }),
    ).rejects.toMatchObject({ name: 'AbortError' });
    silent.close();
  });

  it('the certificate of the service is still checked', async () => {
    const { tcti, imdsUrl, osReleasePath } = cvm;
    await using guest = new AttestationClient({
      tcti,
      imdsUrl,
      osReleasePath,
      proxy: proxy.url,
      retry: { retries: 0 },
    });
    await expect(guest.attest({ attestationUrl: cvm.attestationUrl })).rejects.toMatchObject({ code: 7 });
  });
});
