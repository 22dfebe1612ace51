import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AttestationClient } from '../../lib/index.js';
import { SimulatedCvm, TokenSigner } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

const nonce = () => ({ nonce: randomBytes(8).toString('hex') });
const attest = (verify: object | boolean, clientPayload: Record<string, unknown> = nonce()) =>
  client.attest({ attestationUrl: cvm.attestationUrl, clientPayload }, { verify });

describe('attest that verifies its own token', () => {
  it('returns a good one', async () => {
    expect(await attest(true)).toMatch(/^ey/);
    expect(await attest({ requireSecureBoot: true, vmId: cvm.vmId, keys: cvm.tokenKeys })).toMatch(/^ey/);
  });

  it.each<[string, string, object]>([
    ['another issuer', 'ERR_TOKEN_ISSUER', { issuer: 'https://attest.example' }],
    ['another VM', 'ERR_TOKEN_VM_ID', { vmId: '00000000-0000-0000-0000-000000000000' }],
    ['a payload that was not sent', 'ERR_TOKEN_CLIENT_PAYLOAD', { clientPayload: { nonce: 'other' } }],
  ])('refuses one of %s with 6', async (_, code, verify) => {
    await expect(attest(verify)).rejects.toMatchObject({
      name: 'AttestationError',
      code: 6,
      message: expect.stringContaining(code),
      cause: { name: 'VerificationError', code },
    });
  });

  it('refuses one that an untrusted key signed', async () => {
    const own = cvm.attestation.signer;
    cvm.attestation.signer = await TokenSigner.create('stranger');
    try {
      const keys = { keys: [{ ...own.publishedKey, kid: cvm.attestation.signer.publishedKey.kid }] };
      await expect(attest({ keys })).rejects.toMatchObject({ code: 6, cause: { code: 'ERR_TOKEN_SIGNATURE' } });
    } finally {
      cvm.attestation.signer = own;
    }
  });

  it('takes a wrong expectation for a wrong argument, before anything is sent', async () => {
    const requests = cvm.attestation.requests.length;
    await expect(attest({ clockTolerance: -1 })).rejects.toMatchObject({ code: 8 });
    expect(cvm.attestation.requests.length).toBe(requests);
  });
});

describe('the environment', () => {
  it('names the TPM where the option does not', async () => {
    vi.stubEnv('TSS2_TCTI', cvm.tcti);
    const { imdsUrl, eventLogPath } = cvm;
    await using guest = new AttestationClient({ imdsUrl, eventLogPath });
    expect((await guest.getEvidence({ certificates: false })).quote).toBeDefined();
    vi.stubEnv('TSS2_TCTI', 'device:/nonexistent');
    await using other = clientOf(cvm);
    expect((await other.getEvidence({ certificates: false })).quote).toBeDefined();
  });
});

describe('a report of another type', () => {
  it('of a trusted launch VM is attested as that', async () => {
    const tvm = await SimulatedCvm.start({ tpm: { hclReport: { reportType: 'tvm' } } });
    await using _ = tvm;
    await using guest = clientOf(tvm);
    await guest.attest({ attestationUrl: tvm.attestationUrl });
    const { AttestationInfo } = JSON.parse(tvm.attestation.requests.at(-1)?.body.toString('utf8') ?? '{}');
    const info = JSON.parse(Buffer.from(AttestationInfo, 'base64url').toString('utf8'));
    expect(info.IsolationInfo).toEqual({ Type: 'TrustedLaunch' });
  });

  it('of VBS is refused with 9', async () => {
    // A VBS report has its report_data after a header of 20 bytes and a version.
    const bind = (report: Buffer) => {
      const claims = report.subarray(1236, 1236 + report.readUInt32LE(1232));
      report.fill(0, 56, 120);
      createHash('sha256').update(claims).digest().copy(report, 56);
      return report;
    };
    const vbs = await SimulatedCvm.start({ tpm: { hclReport: { reportType: 'vbs', modify: bind } } });
    await using _ = vbs;
    await using guest = clientOf(vbs);
    const attested = guest.attest({ attestationUrl: vbs.attestationUrl });
    await expect(attested).rejects.toMatchObject({ code: 9, message: expect.stringContaining('VBS') });
  });
});
