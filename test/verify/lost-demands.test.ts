import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceToJson,
  explainEvidence,
  explainSnpReport,
  importTdxCollateral,
  parsePolicy,
  parseTdQuote,
  replayEventLog,
  tokenEncryptionKey,
  type VerificationPolicy,
  verifyEvidence,
  verifySnpReport,
  verifyTdQuote,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { FORGED_NONCE, forge } from './forge.js';
import { failedCodes } from './genuine.js';

/** Demands that got lost, and values that were taken for others. */

const wrong = expect.objectContaining({ name: 'AttestationError', code: 8 });
const OF_EVIDENCE: VerificationPolicy[] = [
  { requireFreshReport: true },
  { requireAkCertificate: true },
  { vmIds: ['2f9d8d2e-3c1a-4a1b-9a55-0d5f0c7c3a10'] },
  { requireQuote: true },
  { requireSecureBoot: 'configured' },
  { requireEventLog: true },
  { quotedPcrs: [7] },
  { pcrs: { 7: '00'.repeat(32) }, requireFreshReport: true },
];

async function snpReport() {
  const { evidence, authority } = await forge();
  const { vcek, chain } = evidence.certificates as { vcek: Uint8Array; chain: string };
  const report = evidence.hclReport.subarray(32, 32 + 1184);
  const ark = authority.ark.pem;
  return { report, certificates: { vcek, ask: chain, ark }, options: { trustedRoots: [ark] } };
}

describe('a policy for a report alone', () => {
  it.each(OF_EVIDENCE)('that demands %j is refused: a report does not have it', async (policy) => {
    const { report, certificates, options } = await snpReport();
    await expect(verifySnpReport(report, certificates, { ...options, policy })).rejects.toEqual(wrong);
    await expect(verifyTdQuote(new Uint8Array(1000), { policy })).rejects.toEqual(wrong);
  });

  it('of TDX refuses a report of SEV-SNP', async () => {
    const { report, certificates, options } = await snpReport();
    await verifySnpReport(report, certificates, options);
    for (const policy of [{ tees: ['tdx'] }, { tdx: { mrtd: '00'.repeat(48) } }] as VerificationPolicy[]) {
      const result = await explainSnpReport(report, certificates, { ...options, policy });
      expect(failedCodes(result)).toEqual(['ERR_POLICY']);
    }
  });
});

describe('a policy for evidence', () => {
  it('whose PCR values rest on a guest SVN of at least 0 rests on nothing', async () => {
    const { evidence, options } = await forge();
    const policy = { pcrs: { 7: '08'.repeat(32) }, minimumGuestSvn: 0 };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy }))).toEqual(['ERR_POLICY']);
  });

  it.skipIf(!withFixtures)('that demands a TCB status is not met where collateral is missing and may be', async () => {
    const quote = fixture('tdx/azure-emr-v4-2026/td-quote.bin');
    const now = new Date('2026-04-01T00:00:00Z');
    for (const tdx of [{ requireCurrentTcb: true }, { acceptedTcbStatuses: ['UpToDate' as const] }]) {
      const policy = { tdx: { requireCollateral: false, ...tdx } };
      await expect(verifyTdQuote(quote, { policy, now })).rejects.toMatchObject({ code: 'ERR_POLICY' });
    }
  });

  it('given by a prototype is none', async () => {
    const { evidence, options } = await forge({ report: { idKeyDigest: new Uint8Array(48).fill(1) } });
    Object.defineProperty(Object.prototype, 'allowUnidentifiedParavisor', { value: true, configurable: true });
    try {
      for (const policy of [undefined, {}]) {
        const refused = verifyEvidence(evidence, { ...options, ...(policy && { policy }) });
        await expect(refused).rejects.toMatchObject({ code: 'ERR_PARAVISOR' });
      }
    } finally {
      delete (Object.prototype as Record<string, unknown>).allowUnidentifiedParavisor;
    }
  });

  it('is copied into a plain object', () => {
    const policy: VerificationPolicy = { tees: ['snp'], guestPolicy: { smt: true }, tdx: { mrtd: 'ab'.repeat(48) } };
    expect(parsePolicy(policy)).toStrictEqual(policy);
  });

  it('with a list that is shorter each time it is looked at is read once', () => {
    const digests = ['ab'.repeat(48)];
    let looks = 0;
    const lying = new Proxy(digests, {
      get: (target, name) => (name === 'length' && ++looks > 1 ? 0 : Reflect.get(target, name)),
    });
    expect(parsePolicy({ trustedIdKeyHashes: lying }).trustedIdKeyHashes).toEqual(digests);
  });
});

describe('evidence', () => {
  it('with PCRs under other names than 0 to 23 is refused: values would stand in another order than their names', async () => {
    const { evidence, options } = await forge();
    for (const named of [
      (index: number) => `0${index}`,
      (index: number) => ` ${index}`,
      (index: number) => `+${index}`,
    ]) {
      const pcrs = Object.entries(evidence.quote?.pcrs.values ?? {});
      const values = Object.fromEntries(pcrs.map(([index, value]) => [named(Number(index)), value]));
      const quote = { ...(evidence.quote as NonNullable<Evidence['quote']>), pcrs: { alg: 'sha256' as const, values } };
      await expect(verifyEvidence({ ...evidence, quote }, options)).rejects.toEqual(wrong);
    }
  });

  it('is not written where its members are not bytes', async () => {
    const { evidence } = await forge();
    for (const hclReport of ['AAAA', 5, Buffer.from([1]).toJSON(), new ArrayBuffer(3), new Uint16Array(2)]) {
      expect(() => evidenceToJson({ ...evidence, hclReport: hclReport as never })).toThrow(wrong);
    }
  });

  it('replays to no bank that there is not', () => {
    expect(() => replayEventLog({ events: [], notReplayable: [] } as never, 'toString' as never)).toThrow(wrong);
  });
});

describe('what a verification remembers', () => {
  it.skipIf(!withFixtures)('is not changed by who changes its result', async () => {
    const quote = fixture('tdx/azure-emr-v4-2026/td-quote.bin');
    const collateral = importTdxCollateral(fixture('tdx/collateral/2026-04-90c06f000000.json').toString());
    const options = { collateral, now: new Date('2026-04-01T00:00:00Z') };
    const chain = parseTdQuote(quote).pckCertification.data;
    const without = Uint8Array.from(quote);
    const start = Buffer.from(quote).indexOf(chain);
    without.fill(0x41, start, start + chain.length);
    const { tdQuote } = await verifyTdQuote(quote, options);
    tdQuote.pckCertification.data.fill(0x41);
    await expect(verifyTdQuote(without, options)).rejects.toMatchObject({ code: 'ERR_CERTIFICATE_FORMAT' });
    await verifyTdQuote(quote, options);
  });
});

describe('an ephemeral key', () => {
  let cvm: SimulatedCvm;
  beforeAll(async () => {
    cvm = await SimulatedCvm.start();
  });
  afterAll(() => cvm.stop());

  it('under a name of SHA-1 is not the guest’s', async () => {
    const client = cvm.client();
    const evidence = await client.getEvidence({ nonce: FORGED_NONCE });
    await client.close();
    const { ephemeralKey } = evidence;
    const publicArea = Uint8Array.from(ephemeralKey?.publicArea ?? []);
    expect([...publicArea.subarray(4, 6)]).toEqual([0, 0x0b]);
    publicArea[5] = 4;
    const changed = { ...evidence, ephemeralKey: { ...ephemeralKey, publicArea } } as Evidence;
    const { checks } = await explainEvidence(changed, { ...cvm.verification, nonce: FORGED_NONCE });
    expect(checks.filter(({ ok }) => !ok)).toContainEqual(
      expect.objectContaining({ code: 'ERR_ENCRYPTION_KEY', name: 'name algorithm', actual: '0x4' }),
    );
  });

  it('of a token said to be verified is not given together with demands that nobody looks at', async () => {
    const client = cvm.client();
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.close();
    await tokenEncryptionKey(token, { verified: true });
    for (const more of [{ issuer: cvm.attestationUrl }, { nonce: 'a' }]) {
      await expect(tokenEncryptionKey(token, { verified: true, ...more } as never)).rejects.toEqual(wrong);
    }
  });
});
