import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildTdxVmRequest,
  explainEvidence,
  explainTdQuote,
  fetchTdxCollateral,
  MaaClient,
  policyFromEvidence,
  type TdxCollateral,
  verifyEvidence,
  verifyTdQuote,
  verifyToken,
} from '../../../lib/index.js';
import { type FaultName, SimulatedCvm } from '../../../lib/simulator/index.js';
import { failedCodes } from './quotes.js';

const nonce = Buffer.from('a nonce');
const NO_REPETITION = { retries: 0 };

describe('a simulated TDX machine', () => {
  let cvm: SimulatedCvm;
  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ vmType: 'tdx' });
  });
  afterAll(() => cvm?.stop());

  it('its evidence is proven by verifyEvidence with the options that it gives', async () => {
    await using client = cvm.client();
    const userData = Buffer.from('user data');
    const evidence = await client.getEvidence({ nonce, userData });
    const result = await verifyEvidence(evidence, { ...cvm.verification, nonce, userData });
    expect(result).toMatchObject({
      ok: true,
      tee: 'tdx',
      paravisor: 'mrtd',
      reportFresh: true,
      tcb: { status: 'UpToDate' },
    });
    const policy = policyFromEvidence(evidence, result);
    await expect(verifyEvidence(evidence, { ...cvm.verification, nonce, policy })).resolves.toMatchObject({ ok: true });
    await expect(verifyTdQuote(evidence.tdQuote ?? new Uint8Array(), cvm.verification)).resolves.toMatchObject({
      ok: true,
    });
    const stranger = await explainEvidence(evidence, { ...cvm.verification, nonce, policy: {} });
    expect(failedCodes(stranger)).toEqual(['ERR_PARAVISOR']);
    const { trustedRoots: _, ...pinned } = cvm.verification;
    expect(failedCodes(await explainEvidence(evidence, { ...pinned, nonce }))).toEqual(['ERR_ROOT_NOT_TRUSTED']);
  });

  it('its collateral can be fetched from its provisioning certification service', async () => {
    await using client = cvm.client();
    const { tdQuote = new Uint8Array() } = await client.getEvidence({ nonce });
    const collateral: TdxCollateral = await fetchTdxCollateral(tdQuote, { source: cvm.pcsUrl ?? '' });
    await expect(verifyTdQuote(tdQuote, { ...cvm.verification, collateral })).resolves.toMatchObject({ ok: true });
    const number = collateral.tcbInfo.includes('"tcbEvaluationDataNumber":18') ? 18 : expect.unreachable();
    const at = { source: cvm.pcsUrl ?? '', retry: NO_REPETITION };
    await expect(fetchTdxCollateral(tdQuote, { ...at, tcbEvaluationDataNumber: number })).resolves.toEqual(collateral);
    await expect(fetchTdxCollateral(tdQuote, { ...at, tcbEvaluationDataNumber: 17 })).rejects.toMatchObject({
      status: 410,
    });
    await expect(fetchTdxCollateral(tdQuote, { ...at, tcbEvaluationDataNumber: 19 })).rejects.toMatchObject({
      status: 404,
    });
  });

  it('its service attests the TD quote, and the token says so', async () => {
    await using client = cvm.client();
    const evidence = await client.getEvidence({ nonce });
    const maa = new MaaClient(cvm.attestationUrl);
    const { token } = await maa.attestTdxVm(buildTdxVmRequest(evidence));
    const claims = await verifyToken(token, {
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      attestationType: 'tdxvm',
      tee: 'tdx',
    });
    expect(claims['x-ms-attestation-type']).toBe('tdxvm');
  });
});

describe('the named faults of a TDX machine are refused with their code', () => {
  it.each<[FaultName, string[]]>([
    ['td-debug', ['ERR_POLICY']],
    ['qe-identity-wrong', ['ERR_QE_IDENTITY']],
    ['td-relaunch-advised', ['ERR_TCB_STATUS']],
    ['tcb-not-supported', ['ERR_TCB_NOT_SUPPORTED']],
    ['tcb-out-of-date', ['ERR_TCB_STATUS']],
    ['tcb-status-revoked', ['ERR_TCB_STATUS']],
    ['collateral-of-another-fmspc', ['ERR_COLLATERAL_MISMATCH']],
    ['collateral-expired', ['ERR_CRL_EXPIRED', 'ERR_COLLATERAL_EXPIRED']],
    ['pck-certificate-revoked', ['ERR_CERTIFICATE_REVOKED']],
    ['tcb-signing-certificate-revoked', ['ERR_CERTIFICATE_REVOKED']],
  ])('%s', async (fault, codes) => {
    await using cvm = await SimulatedCvm.start({ faults: [fault] });
    await using client = cvm.client();
    const { tdQuote } = await client.getEvidence({ nonce });
    expect(failedCodes(await explainTdQuote(tdQuote ?? new Uint8Array(), cvm.verification))).toEqual(codes);
  });
});
