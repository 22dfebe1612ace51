import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode, explainSnpReport, KdsClient, parseSnpReport, type Tcb, vcekUrl } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const NOW = new Date('2026-07-01T00:00:00Z');
const milan: Tcb = { bootloader: 4, tee: 0, snp: 24, microcode: 219 };

describe('KDS addresses', () => {
  const chipId = new Uint8Array(64).fill(0xab);

  it('name Milan and Genoa by 64 bytes and four levels', () => {
    expect(vcekUrl('Milan', chipId, milan).href).toBe(
      `https://kdsintf.amd.com/vcek/v1/Milan/${'ab'.repeat(64)}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219`,
    );
  });

  it('name Turin by 8 bytes and five levels', () => {
    const turin = new Uint8Array(64);
    turin.fill(0xcd, 0, 8);
    expect(vcekUrl('Turin', turin, { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 }).href).toBe(
      `https://kdsintf.amd.com/vcek/v1/Turin/${'cd'.repeat(8)}?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81`,
    );
  });

  it.each([
    ['a masked chip id', () => vcekUrl('Milan', new Uint8Array(64), milan)],
    ['a short chip id', () => vcekUrl('Milan', new Uint8Array(8).fill(1), milan)],
    ['a long chip id of Turin', () => vcekUrl('Turin', chipId, { ...milan, fmc: 1 })],
    [
      'Turin without FMC level',
      () =>
        vcekUrl(
          'Turin',
          Uint8Array.from({ length: 64 }, (_, i) => (i < 8 ? 1 : 0)),
          milan,
        ),
    ],
    ['a product that does not exist', () => vcekUrl('../..' as 'Milan', chipId, milan)],
  ])('refuse %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: ErrorCode.INVALID_INPUT_PARAMETER }));
  });
});

describe.skipIf(!withFixtures)('KdsClient', () => {
  let server: http.Server;
  let directory: string;
  let requests: string[];
  /** Answers, first come first served; afterwards the right one. */
  let answers: { status: number; headers?: Record<string, string>; body?: Buffer | string }[];
  const report = (): Buffer => fixture('azure-milan-v3/snp-report.bin');
  const client = (more: ConstructorParameters<typeof KdsClient>[0] = {}): KdsClient =>
    new KdsClient({
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      cacheDirectory: directory,
      retry: { baseDelayMs: 1, jitter: 0, retries: 2 },
      ...more,
    });

  beforeEach(async () => {
    directory = join(mkdtempSync(join(tmpdir(), 'kds-')), 'cache');
    requests = [];
    answers = [];
    server = http.createServer((request, response) => {
      requests.push(request.url ?? '');
      const answer = answers.shift() ?? {
        status: 200,
        body: request.url?.endsWith('cert_chain')
          ? fixture('amd-chains/ask_ark_milan.pem')
          : fixture('azure-milan-v3/vcek.der'),
      };
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(join(directory, '..'), { recursive: true, force: true });
  });

  it('finds what a report verifies with, by its reported TCB', async () => {
    const { vcek, chain } = await client().certificatesFor(report());
    expect((await explainSnpReport(report(), { vcek, ask: chain }, { now: NOW })).ok).toBe(true);
    const { chipId } = parseSnpReport(report());
    const levels = 'blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219';
    expect(requests.sort()).toEqual([
      `/vcek/v1/Milan/${Buffer.from(chipId).toString('hex')}?${levels}`,
      '/vcek/v1/Milan/cert_chain',
    ]);
  });

  it('asks once, also for another client and another process', async () => {
    const first = client();
    await first.certificatesFor(report());
    await first.certificatesFor(report());
    await client().certificatesFor(report());
    expect(requests).toHaveLength(2);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('serves callers at the same time by one request', async () => {
    const shared = client({ cacheDirectory: false });
    const { chipId, reportedTcb } = parseSnpReport(report());
    const found = await Promise.all(Array.from({ length: 50 }, () => shared.vcek('Milan', chipId, reportedTcb)));
    expect(requests).toHaveLength(1);
    expect(new Set(found.map((vcek) => vcek.toString('hex'))).size).toBe(1);
    found[0]?.fill(0); // each caller has a copy
    expect(found[1]?.[0]).toBe(0x30);
  });

  it('keeps another TCB of the same chip apart', async () => {
    const kds = client();
    const { chipId, reportedTcb } = parseSnpReport(report());
    await kds.vcek('Milan', chipId, reportedTcb);
    await expect(kds.vcek('Milan', chipId, { ...reportedTcb, microcode: 220 })).rejects.toMatchObject({
      code: ErrorCode.RESPONSE_PARSING, // the service was asked again, and gave the certificate of the other TCB
    });
    expect(requests).toHaveLength(2);
  });

  it('waits as long as a 429 asks for', async () => {
    answers = [{ status: 429, headers: { 'Retry-After': '1' } }];
    const { chipId, reportedTcb } = parseSnpReport(report());
    const start = performance.now();
    await client().vcek('Milan', chipId, reportedTcb);
    expect(performance.now() - start).toBeGreaterThan(950);
    expect(requests).toHaveLength(2);
  });

  it.each([
    [
      'throttling without end',
      [{ status: 429 }, { status: 429 }, { status: 429 }],
      ErrorCode.HTTP_REQUEST_EXCEEDED_RETRIES,
    ],
    ['a chip that AMD does not know', [{ status: 404, body: 'Not found' }], ErrorCode.HTTP_REQUEST_FAILED],
    ['a redirect', [{ status: 302, headers: { Location: 'https://example.com' } }], ErrorCode.HTTP_REQUEST_FAILED],
    ['an empty answer', [{ status: 200 }], ErrorCode.EMPTY_RESPONSE],
    ['an answer that is not a certificate', [{ status: 200, body: '<html>' }], ErrorCode.RESPONSE_PARSING],
    ['an endless answer', [{ status: 200, body: Buffer.alloc(300_000) }], ErrorCode.RESPONSE_PARSING],
  ])('has a code for %s, and caches nothing', async (_, given, code) => {
    answers = [...given];
    const { chipId, reportedTcb } = parseSnpReport(report());
    const kds = client();
    await expect(kds.vcek('Milan', chipId, reportedTcb)).rejects.toMatchObject({ name: 'AttestationError', code });
    await expect(kds.vcek('Milan', chipId, reportedTcb)).resolves.toBeInstanceOf(Buffer);
  });

  it('asks again when a cached file is spoilt', async () => {
    await client().certificatesFor(report());
    for (const name of readdirSync(directory)) writeFileSync(join(directory, name), 'spoilt');
    await client().certificatesFor(report());
    expect(requests).toHaveLength(4);
    for (const name of readdirSync(directory))
      expect(readFileSync(join(directory, name)).toString()).not.toBe('spoilt');
  });

  it('works, and says so, where nothing can be stored', async () => {
    const warnings: string[] = [];
    const silent = (): void => {};
    const logger = { debug: silent, info: silent, error: silent, warn: (text: string) => warnings.push(text) };
    const file = join(directory, '..', 'file');
    writeFileSync(file, '');
    await client({ cacheDirectory: join(file, 'cache'), logger }).certificatesFor(report());
    expect(warnings.some((text) => text.includes('cache cannot be written'))).toBe(true);
  });

  it('lets one caller go without the others', async () => {
    const kds = client();
    const { chipId, reportedTcb } = parseSnpReport(report());
    const abort = new AbortController();
    const leaving = kds.vcek('Milan', chipId, reportedTcb, { signal: abort.signal });
    const staying = kds.vcek('Milan', chipId, reportedTcb);
    abort.abort();
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' });
    await expect(staying).resolves.toBeInstanceOf(Buffer);
  });

  it('wants a product for a report that names none, and no VLEK', async () => {
    const older = fixture('azure-milan-v2/snp-report.bin');
    await expect(client().certificatesFor(older)).rejects.toMatchObject({ code: ErrorCode.INVALID_INPUT_PARAMETER });
    const vlek = report();
    vlek[0x48] = 1 << 2;
    await expect(client().certificatesFor(vlek)).rejects.toMatchObject({ code: ErrorCode.INVALID_INPUT_PARAMETER });
    expect(requests).toEqual([]);
  });
});
