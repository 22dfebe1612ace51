import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  VerificationError,
  verifyEvidence,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { failedCodes } from './genuine.js';

const nonce = new TextEncoder().encode('a fresh challenge');

describe('evidence of a running guest', () => {
  let cvm: SimulatedCvm;
  let evidence: Evidence;
  const options = () => ({ nonce, ...cvm.verification });

  beforeAll(async () => {
    cvm = await SimulatedCvm.start();
    const client = cvm.client();
    evidence = await client.getEvidence({ nonce });
    await client.close();
  });
  afterAll(async () => {
    await cvm?.stop();
  });

  /** A deep copy that a test may spoil. */
  const copy = (): Required<Evidence> => evidenceFromJson(evidenceToJson(evidence)) as Required<Evidence>;

  it('is accepted whole, also after a trip as JSON', async () => {
    const result = await verifyEvidence(copy(), options());
    expect(result.checks.every((check) => check.ok)).toBe(true);
    expect(result.checks.filter((check) => check.skipped).map((check) => check.name)).toEqual([
      'signing key certificate is not revoked',
      'AK certificate chains to a trusted root',
    ]);
    expect(result).toMatchObject({ tee: 'snp', paravisor: 'measurement', reportFresh: false });
    expect(result.encryptionKey).toMatchObject({ kty: 'RSA', kid: 'TpmEphemeralEncryptionKey', e: 'AQAB' });
    expect(result.eventLog?.events.length).toBeGreaterThan(0);
    for (const pcr of [0, 1, 2, 3, 4, 5, 6, 7]) expect(result.eventLog?.pcrs[pcr]?.matches).toBe(true);
  });

  it.each([
    ['certification changed', (key) => key.certifyInfo.set([(key.certifyInfo[40] ?? 0) ^ 1], 40)],
    ['certification signature changed', (key) => key.certifySignature.set([(key.certifySignature[9] ?? 0) ^ 1], 9)],
    ['another modulus', (key) => key.publicArea.set([(key.publicArea.at(-1) ?? 0) ^ 2], key.publicArea.length - 1)],
    ['other attributes', (key) => key.publicArea.set([(key.publicArea[9] ?? 0) ^ 0x40], 9)],
    ['no public area', (key) => Object.assign(key, { publicArea: new Uint8Array() })],
  ] as [string, (key: NonNullable<Evidence['ephemeralKey']>) => void][])(
    'is refused with an ephemeral key that is not certified: %s',
    async (_, spoil) => {
      const spoilt = copy();
      spoil(spoilt.ephemeralKey);
      const result = await explainEvidence(spoilt, options());
      expect(new Set(failedCodes(result))).toEqual(new Set(['ERR_ENCRYPTION_KEY']));
      expect(result.encryptionKey).toBeUndefined();
    },
  );

  it('hands out no key to encrypt to when anything else is wrong', async () => {
    const result = await explainEvidence(copy(), { ...options(), nonce: new Uint8Array(8) });
    expect(failedCodes(result)).toEqual(['ERR_QUOTE_NONCE', 'ERR_NOT_CHECKED', 'ERR_NOT_CHECKED']);
    expect(result.encryptionKey).toBeUndefined();
  });

  it('is verified without its quote as far as that goes, and hands out no key whose PCRs nobody has seen', async () => {
    const { quote: _, ...rest } = copy();
    const result = await explainEvidence(rest, cvm.verification);
    expect(failedCodes(result)).toEqual([]);
    const skipped = result.checks.filter((check) => check.skipped).map(({ name }) => name);
    expect(skipped).toEqual(expect.arrayContaining(['quote', 'key is bound to the quoted PCRs']));
    expect(result).toMatchObject({ ok: true, claims: expect.any(Object) });
    expect(result.encryptionKey).toBeUndefined();
    const otherKey = copy();
    otherKey.ephemeralKey.publicArea[100] = (otherKey.ephemeralKey.publicArea[100] ?? 0) ^ 1;
    const { quote: _quote, ...spoilt } = otherKey;
    const refused = await explainEvidence(spoilt, cvm.verification);
    expect(failedCodes(refused)).toEqual(['ERR_ENCRYPTION_KEY']);
  });

  it('is refused with the quote taken for the certification', async () => {
    const spoilt = copy();
    spoilt.ephemeralKey.certifyInfo = spoilt.quote.message;
    spoilt.ephemeralKey.certifySignature = spoilt.quote.signature;
    expect(new Set(failedCodes(await explainEvidence(spoilt, options())))).toEqual(new Set(['ERR_ENCRYPTION_KEY']));
  });

  it('is refused with an event log that does not replay', async () => {
    const spoilt = copy();
    spoilt.eventLog = spoilt.eventLog.slice();
    const at = spoilt.eventLog.length - 1;
    spoilt.eventLog = spoilt.eventLog.subarray(0, at);
    expect(failedCodes(await explainEvidence(spoilt, options()))).toEqual(['ERR_EVENT_LOG']);
  });

  it('is refused by verifyEvidence with the first failed check', async () => {
    const refused = verifyEvidence(copy(), { ...options(), nonce: new Uint8Array(8) });
    await expect(refused).rejects.toBeInstanceOf(VerificationError);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUOTE_NONCE' });
  });

  it('echoes user data', async () => {
    const userData = new TextEncoder().encode('a fresh report');
    const client = cvm.client();
    const fresh = await client.getEvidence({ nonce, userData });
    await client.close();
    expect(failedCodes(await explainEvidence(fresh, { ...options(), userData }))).toEqual([]);
    expect(failedCodes(await explainEvidence(evidence, { ...options(), userData }))).toEqual(['ERR_USER_DATA']);
  });

  it('of before a PCR was extended is told from evidence of after', async () => {
    await cvm.extendPcr(14, new Uint8Array(32).fill(1));
    const client = cvm.client();
    const later = await client.getEvidence({ nonce });
    await client.close();
    const spoilt = copy();
    spoilt.quote.pcrs.values[14] = later.quote?.pcrs.values[14] ?? new Uint8Array(32);
    expect(failedCodes(await explainEvidence(spoilt, options()))).toContain('ERR_PCR_DIGEST');
    expect(failedCodes(await explainEvidence(later, options()))).toEqual([]);
  });
});
