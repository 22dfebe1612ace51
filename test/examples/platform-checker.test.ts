import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClaims, AttestationClient, Check } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { importExample, runExample } from './run.js';

interface PlatformChecker {
  checkPlatform(
    client: AttestationClient,
    attestationUrl: string,
  ): Promise<{ mayStart: boolean; claims?: AttestationClaims; failed: Check[] }>;
}

describe('example: platform checker', () => {
  it('exits with 0 on the right platform', async () => {
    const { code, output } = await runExample('platform-checker.mjs', '--simulate');
    expect(output).toMatch(/^the workload may start: azure-compliant-cvm, VM [0-9A-F-]{36}\n$/);
    expect(code).toBe(0);
  });

  it('exits with 1 when secure boot is off', async () => {
    const { code, output } = await runExample('platform-checker.mjs', '--simulate', '--secure-boot', 'off');
    expect(output).toContain('ERR_TOKEN_SECURE_BOOT');
    expect(output).toContain('the workload must not start');
    expect(code).toBe(1);
  });

  it('exits with 3 when it cannot find out', async () => {
    const { code, output } = await runExample('platform-checker.mjs', '--attestation-url', 'https://127.0.0.1:1');
    expect(output).toMatch(/^it could not be found out: /);
    expect(code).toBe(3);
  });

  describe('on a trusted launch VM', () => {
    let cvm: SimulatedCvm;
    beforeAll(async () => {
      cvm = await SimulatedCvm.start({ vmType: 'tvm' });
    });
    afterAll(() => cvm.stop());

    it('says that it is not a confidential VM', async () => {
      const { checkPlatform } = await importExample<PlatformChecker>('platform-checker.mjs');
      await using client = cvm.client();
      const { mayStart, failed } = await checkPlatform(client, cvm.attestationUrl);
      expect(mayStart).toBe(false);
      expect(failed.map(({ code }) => code)).toContain('ERR_TOKEN_ISOLATION');
    });
  });
});
