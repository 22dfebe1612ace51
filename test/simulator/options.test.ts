import { describe, expect, it } from 'vitest';
import { AttestationError, ErrorCode, explainEvidence } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

describe('SimulatedCvm.start', () => {
  it.each([
    [{ prodcut: 'Milan' }],
    [{ secureboot: false }],
    [{ secureBoot: 'false' }],
    [{ vmType: 'sevsnp' }],
    [{ tpm: { akCert: {} } }],
    [{ tpm: { akCertificate: { size: 4096 } } }],
    [{ tpm: { hclReport: { index: 1 } } }],
    [{ attestation: { lifetime: 1 } }],
    [{ faults: { imd: {} } }],
    [{ faults: ['gremlins'] }],
  ])('refuses %j with code 8', async (options) => {
    const refused = await SimulatedCvm.start(options as never).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AttestationError);
    expect(refused).toMatchObject({ code: ErrorCode.INVALID_INPUT_PARAMETER });
  });
});

describe('cvm.verification', () => {
  it('accepts the evidence of its machine and not that of another', async () => {
    await using cvm = await SimulatedCvm.start();
    const measurement = Buffer.alloc(48, 0x5a);
    await using other = await SimulatedCvm.start({ snpReport: { measurement } });
    await using client = cvm.client();
    const nonce = Buffer.alloc(16, 3);
    const evidence = await client.getEvidence({ nonce });
    expect(cvm.vmType).toBe('snp');
    expect(other.verification.policy.measurement).toBe(measurement.toString('hex'));
    expect((await explainEvidence(evidence, { nonce, ...cvm.verification })).ok).toBe(true);
    expect((await explainEvidence(evidence, { nonce, ...other.verification })).ok).toBe(false);
  });
});
