import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  diffPolicy,
  type Evidence,
  explainEvidence,
  policyFromEvidence,
  type VerificationPolicy,
  type VerifiedEvidence,
  verifyEvidence,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { withFixtures } from '../fixtures.js';
import { forge } from './forge.js';
import { azureEvidence, failedCodes, NONCE, NOW } from './genuine.js';

const nonce = new Uint8Array(16).fill(7);

describe('policyFromEvidence', () => {
  let cvm: SimulatedCvm;
  let evidence: Evidence;
  let result: VerifiedEvidence;
  let policy: VerificationPolicy;

  beforeAll(async () => {
    cvm = await SimulatedCvm.start();
    await using client = cvm.client();
    evidence = await client.getEvidence({ nonce });
    result = await verifyEvidence(evidence, { nonce, ...cvm.verification });
    policy = policyFromEvidence(evidence, result);
  });
  afterAll(() => cvm?.stop());

  it('makes a policy that the evidence passes, with firmware, levels, PCRs and Secure Boot', async () => {
    const { trustedRoots } = cvm;
    expect(failedCodes(await explainEvidence(evidence, { nonce, trustedRoots, policy }))).toEqual([]);
    expect(policy).toMatchObject({
      tees: ['snp'],
      allowedProducts: ['Milan'],
      measurement: cvm.verification.policy.measurement,
      requireQuote: true,
      requireSecureBoot: true,
    });
    expect(Object.keys(policy.pcrs ?? {})).toEqual(['0', '2', '3', '4', '6', '7']);
  });

  it('makes a policy that the machine fails once something else has booted on it', async () => {
    await cvm.extendPcr(4, new Uint8Array(32).fill(1));
    await using client = cvm.client();
    const later = await client.getEvidence({ nonce });
    const { trustedRoots } = cvm;
    expect(failedCodes(await explainEvidence(later, { nonce, trustedRoots, policy }))).toEqual(['ERR_POLICY']);
    const after = policyFromEvidence(later, await verifyEvidence(later, { nonce, ...cvm.verification }));
    expect(diffPolicy(policy, after)).toEqual([{ member: 'pcrs.4', before: policy.pcrs?.[4], after: after.pcrs?.[4] }]);
  });

  it('refuses a result that is of other evidence, or that is a refusal', async () => {
    const other = await forge();
    expect(() => policyFromEvidence(other.evidence, result)).toThrow(expect.objectContaining({ code: 8 }));
    const refused = await explainEvidence(evidence, { nonce: new Uint8Array(4), ...cvm.verification });
    expect(() => policyFromEvidence(evidence, refused as VerifiedEvidence)).toThrow(
      expect.objectContaining({ code: 8 }),
    );
    expect(() => policyFromEvidence(evidence, undefined as never)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('names no measurement and no PCR of a machine whose paravisor is not identified', async () => {
    const { evidence: elsewhere, options } = await forge({ report: { idKeyDigest: new Uint8Array(48).fill(3) } });
    const lifted = { allowUnidentifiedParavisor: true };
    const learned = policyFromEvidence(elsewhere, await verifyEvidence(elsewhere, { ...options, policy: lifted }));
    expect(learned).toMatchObject(lifted);
    for (const member of ['measurement', 'trustedIdKeyHashes', 'pcrs']) expect(learned).not.toHaveProperty(member);
  });

  it.skipIf(!withFixtures)('makes a policy of genuine evidence that it passes', async () => {
    const genuine = azureEvidence('azure-milan-v3');
    const options = { nonce: NONCE, now: NOW };
    const learned = policyFromEvidence(genuine, await verifyEvidence(genuine, options));
    expect(failedCodes(await explainEvidence(genuine, { ...options, policy: learned }))).toEqual([]);
    expect(learned).toMatchObject({ requireSecureBoot: 'configured', minimumTcb: { Milan: { microcode: 219 } } });
  });
});

describe('diffPolicy', () => {
  it('lists members that were added, left out and changed, by their names', () => {
    const before: VerificationPolicy = { allowDebug: true, minimumTcb: { Milan: { snp: 8, microcode: 115 } } };
    const after: VerificationPolicy = { minimumTcb: { Milan: { snp: 8, microcode: 219 } }, vmpl: 0 };
    expect(diffPolicy(before, after)).toEqual([
      { member: 'allowDebug', before: true },
      { member: 'minimumTcb.Milan.microcode', before: 115, after: 219 },
      { member: 'vmpl', after: 0 },
    ]);
  });

  it('finds no difference in case, order, or a list of one', () => {
    const one = { measurement: 'AB'.repeat(48), quotedPcrs: [0, 7], allowedProducts: ['Milan', 'Genoa'] };
    const other = { measurement: ['ab'.repeat(48)], quotedPcrs: [7, 0], allowedProducts: ['Genoa', 'Milan'] };
    expect(diffPolicy(one as VerificationPolicy, other as VerificationPolicy)).toEqual([]);
  });

  it('refuses what is not a policy', () => {
    expect(() => diffPolicy({}, { alowDebug: true } as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
