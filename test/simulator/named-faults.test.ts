import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AttestationError, type ErrorCode, encrypt } from '../../lib/index.js';
import { type FaultName, namedFaults, SimulatedCvm } from '../../lib/simulator/index.js';

/** What attest() of the library does where the fault is present. */
const outcomes: Partial<Record<FaultName, keyof typeof ErrorCode | 'token'>> = {
  'ak-certificate-missing': 'TPM_OPERATION_FAILURE',
  'ak-certificate-unwritten': 'TPM_OPERATION_FAILURE',
  'ak-certificate-pending': 'token',
  'ak-certificate-zeros': 'AK_CERT_PROVISIONING_FAILED',
  'ak-certificate-stale-tail': 'token',
  'ak-certificate-expiring': 'token',
  'ak-certificate-expired': 'token',
  'ak-certificate-garbage': 'ATTESTATION_FAILED',
  'ak-certificate-temporary': 'AK_CERT_PROVISIONING_FAILED',
  'guest-key-missing': 'token',
  'hcl-report-missing': 'token',
  'hcl-report-unwritten': 'TPM_OPERATION_FAILURE',
  'hcl-report-unbound': 'HCL_REPORT_PARSING_FAILURE',
  'secure-boot-off': 'token',
  'debug-policy': 'ATTESTATION_FAILED',
  'stranger-chip': 'ATTESTATION_FAILED',
  'outdated-vcek': 'ATTESTATION_FAILED',
  'expired-vcek': 'ATTESTATION_FAILED',
  'event-log-missing': 'token',
  'event-log-empty': 'token',
  'event-log-windows': 'token',
  'pcr-11-unlogged': 'token',
  'event-log-tampered': 'ATTESTATION_FAILED',
  'tpm-decrypt-fails': 'JWT_DECRYPTION_TPM_ERROR',
  'tpm-slow': 'token',
  'tpm-silent': 'TPM_OPERATION_FAILURE',
  'thim-not-found': 'HTTP_REQUEST_EXCEEDED_RETRIES',
  'thim-empty': 'EMPTY_RESPONSE',
  'thim-not-json': 'INVALID_JSON_RESPONSE',
  'thim-without-certificate': 'EMPTY_VCEK_CERT',
  'thim-hangs': 'SENDING_CURL_REQUEST_FAILED',
  'service-busy': 'token',
  'service-down': 'HTTP_REQUEST_EXCEEDED_RETRIES',
  'service-unauthorized': 'HTTP_REQUEST_FAILED',
  'service-refuses': 'ATTESTATION_FAILED',
  'service-redirects': 'HTTP_REQUEST_FAILED',
  'service-not-json': 'PARSING_ATTESTATION_RESPONSE',
  'service-hangs': 'SENDING_CURL_REQUEST_FAILED',
  'service-closes': 'SENDING_CURL_REQUEST_FAILED',
  'service-oversized': 'PARSING_ATTESTATION_RESPONSE',
  'envelope-short-tag': 'JWT_DECRYPTION_FAILED',
  'envelope-wrong-aad': 'JWT_DECRYPTION_FAILED',
};

describe('named faults', () => {
  it('each have a sentence, and each an outcome here unless they are of a TDX machine', () => {
    for (const [name, { description, options }] of Object.entries(namedFaults)) {
      expect(description).toMatch(/^[A-Z].*\.$/);
      const isTdx = 'vmType' in options && options.vmType === 'tdx';
      expect(Object.hasOwn(outcomes, name), name).toBe(!isTdx);
    }
  });

  it.each(Object.keys(outcomes) as FaultName[])('%s does to attest() what it says', async (name) => {
    await using cvm = await SimulatedCvm.start({ faults: [name] });
    // Only what never answers is waited for in vain.
    const patience = /hangs|silent/.test(name) ? 1500 : 20_000;
    await using client = cvm.client({
      retry: { retries: 3, baseDelayMs: 5, maxRetryAfterMs: 20 },
      timeoutMs: patience,
      tpmTimeoutMs: patience,
    });
    const result = await client.attest({ attestationUrl: cvm.attestationUrl }).then(
      () => 'token',
      (error: unknown) => {
        expect(error).toBeInstanceOf(AttestationError);
        return (error as AttestationError).codeName;
      },
    );
    expect(result).toBe(outcomes[name]);
  });

  it('add up, and an unknown one is refused before anything is started', async () => {
    await using cvm = await SimulatedCvm.start({ faults: ['ak-certificate-expiring', 'event-log-missing'] });
    expect(existsSync(cvm.eventLogPath)).toBe(false);
    await using client = cvm.client();
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    expect(await encrypt(token, Buffer.from('x'))).toHaveProperty('encryptedData');
    expect(cvm.imds.requests.map(({ url }) => url.pathname)).toContain('/metadata/THIM/tvm/certificate/renew');
    await expect(SimulatedCvm.start({ faults: ['no-such-fault' as FaultName] })).rejects.toThrow(
      /no-such-fault is not/,
    );
  });
});
