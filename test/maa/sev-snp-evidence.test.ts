import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AttestationError, buildSevSnpVmRequest, type Evidence } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const milan = (certificates: Evidence['certificates'] = milanChain()): Evidence => ({
  version: 1,
  hclReport: fixture('azure-milan-v2/hcl-report.bin'),
  ...(certificates && { certificates }),
});

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
const milanPem = (): string[] => fixture('azure-milan-v2/vcek.pem').toString().match(PEM) ?? [];
const milanChain = (): NonNullable<Evidence['certificates']> => {
  const [vcek = '', ask = '', ark = ''] = milanPem();
  return { vcek, chain: ask + ark };
};

const decode = (text: string): Buffer => Buffer.from(text, 'base64url');
const proofOf = (request: { report: string }): { SnpReport: string; VcekCertChain: string } =>
  JSON.parse(decode(request.report).toString());
const names = (pem: string): string[] =>
  (pem.match(PEM) ?? []).map((one) => /CN=(\S+)/.exec(new X509Certificate(one).subject)?.[1] ?? '');

describe.skipIf(!withFixtures)('buildSevSnpVmRequest', () => {
  it.each([
    null,
    5,
    { nonce: 5 },
    { draftPolicyForAttestation: {} },
    { initTimeData: null },
    { initTimeData: 'eyJhIjoxfQ' },
    { initTimeData: { data: 'eyJhIjoxfQ' } },
    { initTimeData: { data: new Uint8Array(1), dataType: 'Text' } },
  ])('8: %j for options', (options) => {
    expect(() => buildSevSnpVmRequest(milan(), options as never)).toThrow(
      expect.objectContaining({ name: 'AttestationError', code: 8 }),
    );
  });

  it.each([null, undefined, 5, 'evidence'])('8: %s for evidence', (evidence) => {
    expect(() => buildSevSnpVmRequest(evidence as never)).toThrow(
      expect.objectContaining({ name: 'AttestationError', code: 8 }),
    );
  });

  it('shows the report, its chain and exactly the runtime data', () => {
    const request = buildSevSnpVmRequest(milan());
    const proof = proofOf(request);
    expect(decode(proof.SnpReport).equals(fixture('azure-milan-v2/snp-report.bin'))).toBe(true);
    expect(names(decode(proof.VcekCertChain).toString())).toEqual(['SEV-VCEK', 'SEV-Milan', 'ARK-Milan']);
    expect(Object.keys(request).sort()).toEqual(['report', 'runtimeData']);
    expect(request.runtimeData?.dataType).toBe('JSON');
    const runtimeData = decode(request.runtimeData?.data ?? '');
    expect(runtimeData.equals(fixture('azure-milan-v2/runtime-claims.json'))).toBe(true);
    expect(request.report).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it('takes certificates in DER and PEM, in any order', () => {
    const [vcek = '', ask = '', ark = ''] = milanPem();
    const der = (pem: string): Uint8Array => new X509Certificate(pem).raw;
    const expected = ['SEV-VCEK', 'SEV-Milan', 'ARK-Milan'];
    for (const certificates of [
      { vcek: der(vcek), chain: [der(ark), der(ask)] },
      { vcek, chain: ark + ask },
      { vcek: Buffer.from(vcek), chain: [Buffer.from(ark + ask)] },
      { vcek: vcek + ask + ark },
    ]) {
      const request = buildSevSnpVmRequest(milan(certificates));
      expect(names(decode(proofOf(request).VcekCertChain).toString())).toEqual(expected);
    }
  });

  it('carries nonce and draft policy', () => {
    const options = { nonce: 'n', draftPolicyForAttestation: 'version=1.0;' };
    expect(buildSevSnpVmRequest(milan(), options)).toMatchObject(options);
  });

  it('refuses what the service would refuse', () => {
    const report = fixture('azure-milan-v2/hcl-report.bin');
    const changed = Buffer.from(report);
    changed[1236 + 20] = (changed[1236 + 20] ?? 0) ^ 1;
    const refusals: [Evidence, object, number][] = [
      [{ version: 1, hclReport: report }, {}, 17],
      [milan({ vcek: '' }), {}, 17],
      [milan({ vcek: 'no certificate' }), {}, 9],
      [{ ...milan(), hclReport: fixture('azure-tdx/hcl-report.bin') }, {}, 9],
      [{ ...milan(), hclReport: report.subarray(0, 100) }, {}, 20],
      [{ ...milan(), hclReport: Buffer.alloc(0) }, {}, 21],
      [milan(), { initTimeData: { data: Buffer.from('not in the host data') } }, 9],
    ];
    for (const [evidence, options, code] of refusals) {
      const build = (): unknown => buildSevSnpVmRequest(evidence, options);
      expect(build).toThrow(AttestationError);
      expect(build).toThrow(expect.objectContaining({ code }));
    }
  });
});
