import { generateKeyPairSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AttestationClient, evidenceToJson, KdsClient } from '../../lib/index.js';
import {
  createKeyBroker,
  createVerifierService,
  KeyBrokerClient,
  memoryReplayStore,
  type VerifierServiceOptions,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const ISSUER = 'https://verifier.example';
const HOUR_MS = 3_600_000;
const signingKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString();

let cvm: SimulatedCvm;
let client: AttestationClient;
let body: string;
let fetched: Uint8Array;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client();
  body = JSON.stringify({ evidence: JSON.parse(evidenceToJson(await client.getEvidence())) });
  fetched = await kds().crl('Milan');
});
afterAll(async () => {
  await client.close();
  await cvm.stop();
});
afterEach(() => {
  vi.useRealTimers();
});

const kds = () => new KdsClient({ baseUrl: cvm.kdsUrl, cacheDirectory: false });

type FetchCrl = Exclude<NonNullable<VerifierServiceOptions['crls']>, readonly unknown[]>;
type Options = Partial<VerifierServiceOptions>;

const serviceWith = (crls: NonNullable<VerifierServiceOptions['crls']>, more: Options = {}) =>
  createVerifierService({
    issuer: ISSUER,
    audiences: ['https://service.example'],
    signingKeys,
    secret: Buffer.alloc(32, 9),
    store: memoryReplayStore(),
    ...cvm.verification,
    allowAnyMachine: true,
    crls,
    ...more,
  });

interface Verdict {
  status: number;
  ear?: string;
  code?: string | undefined;
}

async function ask(service: (request: Request) => Promise<Response>, evidence = body): Promise<Verdict> {
  const response = await service(new Request(`${ISSUER}/v1/evidence`, { method: 'POST', body: evidence }));
  const answer = (await response.json()) as { ear: string; error: { code: string } };
  if (response.status !== 200) return { status: response.status, code: answer.error.code };
  const { submods } = JSON.parse(Buffer.from(answer.ear.split('.')[1] ?? '', 'base64url').toString());
  const checks = submods.cvm['cvm-guest-attestation.checks'] as { ok: boolean; code?: string }[];
  return { status: 200, ear: submods.cvm['ear.status'], code: checks.find(({ ok }) => !ok)?.code };
}

const GOOD = { status: 200, ear: 'warning', code: undefined };

describe('a verifier service that fetches revocation lists of AMD', () => {
  it.each([0, 2])('asks once for many requests and then no more, with %d workers', async (workers) => {
    const source = kds();
    const asked = vi.fn<FetchCrl>((product, kind) => source.crl(product, kind));
    const service = serviceWith(asked, { workers });
    try {
      expect(await Promise.all(Array.from({ length: 6 }, () => ask(service)))).toEqual(Array(6).fill(GOOD));
      expect(await ask(service)).toEqual(GOOD);
      expect(asked.mock.calls).toEqual([['Milan', 'vcek']]);
    } finally {
      await service.close();
    }
  });

  it('affirms nothing whose signing key is revoked, as soon as the source says so', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const service = serviceWith(() => kds().crl('Milan'));
    expect(await ask(service)).toEqual(GOOD);
    cvm.kds.revoked = ['ask'];
    try {
      vi.setSystemTime(Date.now() + HOUR_MS - 1000);
      expect(await ask(service)).toEqual(GOOD);
      vi.setSystemTime(Date.now() + 1000);
      expect(await ask(service)).toEqual({ status: 200, ear: 'contraindicated', code: 'ERR_CERTIFICATE_REVOKED' });
    } finally {
      cvm.kds.revoked = [];
    }
  });

  it('asks nobody for evidence that is refused for another reason, and for that of TDX', async () => {
    const asked = vi.fn<FetchCrl>(() => Promise.reject(new Error('asked')));
    const service = serviceWith(asked);
    const changed = body.replace(/"signature":"(.)/, (_, first) => `"signature":"${first === 'A' ? 'B' : 'A'}`);
    expect(changed).not.toBe(body);
    expect(await ask(service, changed)).toMatchObject({ ear: 'contraindicated' });
    await using tdx = await SimulatedCvm.start({ vmType: 'tdx' });
    await using guest = tdx.client();
    const evidence = JSON.stringify({ evidence: JSON.parse(evidenceToJson(await guest.getEvidence())) });
    const { trustedRoots, collateral, policy } = tdx.verification as never;
    expect(await ask(serviceWith(asked, { trustedRoots, collateral, policy }), evidence)).toEqual(GOOD);
    expect(asked).not.toHaveBeenCalled();
  });

  it('goes on with the last list while the source is away, for a day and not past its end', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} };
    const asked = vi.fn<FetchCrl>().mockResolvedValueOnce(fetched).mockRejectedValue(new Error('away'));
    const service = serviceWith(asked, { logger });
    expect(await ask(service)).toEqual(GOOD);
    vi.setSystemTime(Date.now() + 23 * HOUR_MS);
    expect(await ask(service)).toEqual(GOOD);
    expect(warnings).toEqual(['the revocation list of Milan cannot be had: away']);
    vi.setSystemTime(Date.now() + HOUR_MS);
    expect(await ask(service)).toEqual({ status: 503, code: 'ERR_CRL_UNAVAILABLE' });
  });

  it('answers 503 when there is none in time, and asks again for the next request', async () => {
    const asked = vi
      .fn<FetchCrl>()
      .mockReturnValueOnce(new Promise(() => {}))
      .mockResolvedValue(fetched);
    const service = serviceWith(asked, { collateralDeadlineMs: 50 });
    expect(await ask(service)).toEqual({ status: 503, code: 'ERR_CRL_UNAVAILABLE' });
    expect(await ask(service)).toEqual(GOOD);
  });

  it('makes one request in a minute wait for a source that hangs, while a list stands in', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const asked = vi
      .fn<FetchCrl>()
      .mockResolvedValueOnce(fetched)
      .mockReturnValue(new Promise(() => {}));
    const service = serviceWith(asked, { collateralDeadlineMs: 50 });
    expect(await ask(service)).toEqual(GOOD);
    vi.setSystemTime(Date.now() + HOUR_MS);
    for (let request = 0; request < 3; request++) expect(await ask(service)).toEqual(GOOD);
    expect(asked).toHaveBeenCalledTimes(2);
    vi.setSystemTime(Date.now() + 60_000);
    expect(await ask(service)).toEqual(GOOD);
    expect(asked).toHaveBeenCalledTimes(3);
  });

  it.each([
    ['garbage', () => Buffer.from('<html>')],
    ['an older list', () => cvm.authority.revocationList({ thisUpdate: new Date(Date.now() - 48 * HOUR_MS) })],
  ])('keeps the list that it has when the source answers with %s, and tries again in a minute', async (_, later) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const revoking = cvm.authority.revocationList({ revoked: ['ask'] });
    const asked = vi.fn<FetchCrl>().mockResolvedValueOnce(revoking).mockResolvedValue(later());
    const service = serviceWith(asked);
    const revoked = { status: 200, ear: 'contraindicated', code: 'ERR_CERTIFICATE_REVOKED' };
    expect(await ask(service)).toEqual(revoked);
    vi.setSystemTime(Date.now() + HOUR_MS);
    for (let request = 0; request < 3; request++) expect(await ask(service)).toEqual(revoked);
    expect(asked).toHaveBeenCalledTimes(2);
    vi.setSystemTime(Date.now() + 60_000);
    expect(await ask(service)).toEqual(revoked);
    expect(asked).toHaveBeenCalledTimes(3);
    asked.mockResolvedValue(cvm.authority.revocationList());
    vi.setSystemTime(Date.now() + 60_000);
    expect(await ask(service)).toEqual(GOOD);
  });

  it.each([
    ['no list', Buffer.from('<html>'), 200, 'ERR_CRL'],
    ['something else', 7 as never, 503, 'ERR_CRL_UNAVAILABLE'],
  ])('believes nothing of a source that answers with %s', async (_, answer, status, code) => {
    const service = serviceWith(() => Promise.resolve(answer));
    expect(await ask(service)).toMatchObject({ status, code });
    expect(await ask(service)).toMatchObject({ status, code });
  });

  it('believes no list that the root has not signed', async () => {
    const forged = Uint8Array.from(fetched);
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    expect(await ask(serviceWith(() => Promise.resolve(forged)))).toMatchObject({
      ear: 'contraindicated',
      code: 'ERR_CRL',
    });
  });
});

describe('a key broker that fetches revocation lists of AMD', () => {
  const secretFrom = async (crls: FetchCrl): Promise<string> => {
    const { certificates } = await client.getEvidence();
    const broker = createKeyBroker({
      name: ISSUER,
      secret: Buffer.alloc(32, 8),
      store: memoryReplayStore(),
      ...cvm.verification,
      allowAnyMachine: true,
      chain: String(certificates?.chain),
      crls,
      resources: () => Buffer.from('value'),
    });
    const guest = new KeyBrokerClient({
      url: ISSUER,
      client,
      fetch: ((url: string, init: RequestInit) => broker(new Request(url, init))) as typeof fetch,
    });
    return Buffer.from(await guest.getResource('default/key/one')).toString();
  };

  it('lets a machine in with one, and nobody without', async () => {
    expect(await secretFrom(() => kds().crl('Milan'))).toBe('value');
    await expect(secretFrom(() => Promise.reject(new Error('away')))).rejects.toThrow('503');
  });

  it('lets nobody in whose signing key is revoked', async () => {
    cvm.kds.revoked = ['ask'];
    try {
      await expect(secretFrom(() => kds().crl('Milan'))).rejects.toThrow('401 (AttestationFailed)');
    } finally {
      cvm.kds.revoked = [];
    }
  });
});
