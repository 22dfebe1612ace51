import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttestationError, buildTdxVmRequest, MaaClient, verifyTdQuote, verifyToken } from '../../lib/index.js';
import { type FaultName, SimulatedCvm } from '../../lib/simulator/index.js';

describe('the attestation service of a TDX machine', () => {
  let cvm: SimulatedCvm;
  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ vmType: 'tdx' });
  });
  afterAll(() => cvm?.stop());

  it('gives a guest a token with the claims of its TD', async () => {
    await using client = cvm.client();
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: 'N' } });
    const claims = await verifyToken(token, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, nonce: 'N' });
    const tee = (claims as Record<string, unknown>)['x-ms-isolation-tee'] as Record<string, unknown>;
    expect(tee).toMatchObject({
      'x-ms-attestation-type': 'tdxvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      attester_tcb_status: 'UpToDate',
      dbgstat: 'disabled',
      tdx_mrtd: cvm.tdx?.mrtd.toString('hex'),
      tdx_xfam: 'e718060000000000',
      tdx_td_attributes: '0000001000000000',
      tdx_td_attributes_septve_disable: true,
      tdx_td_attributes_debug: false,
      tdx_seamsvn: 269,
    });
  });

  it('gives a platform token for evidence, and refuses other runtime data', async () => {
    await using client = cvm.client();
    const evidence = await client.getEvidence();
    expect(evidence.tdQuote?.length).toBe(5006);
    const request = buildTdxVmRequest(evidence, { nonce: 'n' });
    const service = new MaaClient(cvm.attestationUrl);
    const token = await service.attestTdxVm(request);
    const [, payload = ''] = (typeof token === 'string' ? token : token.token).split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      nonce: 'n',
      'x-ms-attestation-type': 'tdxvm',
      attester_tcb_status: 'UpToDate',
    });
    const runtimeData = { data: Buffer.from('{"a":1}').toString('base64url'), dataType: 'JSON' as const };
    await expect(service.attestTdxVm({ ...request, runtimeData })).rejects.toThrow(/does not hash to the quote/);
    const report = Buffer.from(evidence.hclReport.subarray(32, 32 + 1024)).toString('base64url');
    await expect(service.attestTdxVm({ ...request, quote: report })).rejects.toThrow(/TD quote/);
  });

  it('has a quote that verifyTdQuote accepts with cvm.verification', async () => {
    await using client = cvm.client();
    const { tdQuote } = await client.getEvidence();
    const { trustedRoots, policy, collateral } = cvm.verification;
    const result = await verifyTdQuote(tdQuote as Uint8Array, {
      trustedRoots,
      policy,
      ...(collateral && { collateral }),
    });
    expect(result.tcb?.status).toBe('UpToDate');
  });

  it('refuses the quote of a guest elsewhere', async () => {
    const runtimeData = Buffer.from('{"keys":[]}');
    const { tdQuote } = cvm.foreignReport(runtimeData);
    const attested = new MaaClient(cvm.attestationUrl).attestTdxVm({
      quote: Buffer.from(tdQuote ?? []).toString('base64url'),
      runtimeData: { data: runtimeData.toString('base64url'), dataType: 'JSON' },
    });
    await expect(attested).rejects.toThrow(/TD quote is refused: .*mrtd/i);
  });

  it('refuses the SNP report of a guest elsewhere', async () => {
    await using snp = await SimulatedCvm.start();
    const runtimeData = Buffer.from('{"keys":[]}');
    const { hclReport } = snp.foreignReport(runtimeData);
    const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64url');
    const chain = snp.signingLeaf.certificate.pem + snp.authority.chainPem;
    const report = { SnpReport: base64url(hclReport.subarray(32, 32 + 1184)), VcekCertChain: base64url(chain) };
    const attested = new MaaClient(snp.attestationUrl).attestSevSnpVm({
      report: base64url(JSON.stringify(report)),
      runtimeData: { data: base64url(runtimeData), dataType: 'JSON' },
    });
    await expect(attested).rejects.toThrow(/launch measurement/);
  });

  it.each<[FaultName, string]>([
    ['td-quote-missing', 'EMPTY_TD_QUOTE'],
    ['td-quote-empty', 'EMPTY_TD_QUOTE'],
    ['td-quote-tampered', ''],
    ['td-quote-of-another-report', ''],
    ['imds-tdquote-503', 'HTTP_REQUEST_EXCEEDED_RETRIES'],
    ['collateral-expired', 'ATTESTATION_FAILED'],
    ['collateral-of-another-fmspc', 'ATTESTATION_FAILED'],
    ['tcb-out-of-date', 'ATTESTATION_FAILED'],
    ['tcb-not-supported', 'ATTESTATION_FAILED'],
    ['tcb-status-revoked', 'ATTESTATION_FAILED'],
    ['pck-certificate-revoked', 'ATTESTATION_FAILED'],
    ['tcb-signing-certificate-revoked', 'ATTESTATION_FAILED'],
    ['qe-identity-wrong', 'ATTESTATION_FAILED'],
    ['td-debug', 'ATTESTATION_FAILED'],
    ['td-relaunch-advised', 'ATTESTATION_FAILED'],
  ])('%s makes attest() fail', async (fault, code) => {
    await using machine = await SimulatedCvm.start({ faults: [fault] });
    await using client = machine.client({ retry: { retries: 2, baseDelayMs: 5, maxRetryAfterMs: 20 } });
    const refused = await client.attest({ attestationUrl: machine.attestationUrl }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AttestationError);
    if (code !== '') expect((refused as AttestationError).codeName).toBe(code);
  });
});
