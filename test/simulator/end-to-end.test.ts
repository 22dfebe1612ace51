import { describe, expect, it } from 'vitest';
import {
  encrypt,
  explainSnpReport,
  KdsClient,
  type Product,
  parseHclReport,
  parseSnpReport,
  parseTcb,
  verifyToken,
} from '../../lib/index.js';
import { decodeTcb } from '../../lib/simulator/evidence/tcb.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const text = Buffer.from('for the guest only');

describe.each<Product>(['Milan', 'Genoa', 'Turin'])('a simulated CVM on %s', (product) => {
  it('attests with the library, and decrypts what its token lets others encrypt', async () => {
    await using cvm = await SimulatedCvm.start({ product });
    await using client = cvm.client();
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: 'fresh' } });
    const claims = await verifyToken(token, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, nonce: 'fresh' });
    expect(claims).toMatchObject({ secureboot: true, 'x-ms-azurevm-vmid': cvm.vmId });
    const { encryptedData, encryptionMetadata } = await encrypt(token, text);
    expect(await client.decrypt(encryptedData, { encryptionMetadata })).toEqual(text);
  });

  it("makes a report that the library's verifier accepts, and reads as it was meant", async () => {
    await using cvm = await SimulatedCvm.start({ product });
    const hcl = parseHclReport(cvm.hclReport ?? Buffer.alloc(0));
    expect(hcl).toMatchObject({ reportType: 'snp', bound: true, hashType: 'sha256' });
    const { vcek, ...chain } = {
      vcek: cvm.signingLeaf.certificate.pem,
      ask: cvm.authority.ask.pem,
      ark: cvm.authority.ark.pem,
    };
    const { trustedRoots } = cvm;
    const crls = [cvm.authority.revocationList()];
    const result = await explainSnpReport(hcl.hardwareReport, { vcek, ...chain }, { trustedRoots, crls });
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.ok).toBe(true);
    const report = parseSnpReport(hcl.hardwareReport);
    expect(report.policy.debug).toBe(false);
    expect(parseTcb(hcl.hardwareReport.subarray(0x180, 0x188), product)).toEqual(
      decodeTcb(product, hcl.hardwareReport.subarray(0x180, 0x188)),
    );
    const untrusted = await explainSnpReport(hcl.hardwareReport, { vcek, ...chain });
    expect(untrusted.ok).toBe(false);
    const revoked = [cvm.authority.revocationList({ revoked: ['ask'] })];
    expect((await explainSnpReport(hcl.hardwareReport, { vcek, ...chain }, { trustedRoots, crls: revoked })).ok).toBe(
      false,
    );
  });

  it('finds its certificates and revocation list at its key service', async () => {
    await using cvm = await SimulatedCvm.start({ product });
    const kds = new KdsClient({ baseUrl: cvm.kdsUrl, cacheDirectory: false });
    const report = (cvm.hclReport ?? Buffer.alloc(0)).subarray(32, 32 + 1184);
    const { vcek, chain } = await kds.certificatesFor(report);
    const options = { trustedRoots: cvm.trustedRoots, crls: [await kds.crl(product)] };
    const [ask, ark] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    expect((await explainSnpReport(report, { vcek, ask: ask ?? '', ark: ark ?? '' }, options)).ok).toBe(true);
    cvm.kds.revoked = ['ask'];
    const revoking = {
      ...options,
      crls: [await new KdsClient({ baseUrl: cvm.kdsUrl, cacheDirectory: false }).crl(product)],
    };
    const refused = await explainSnpReport(report, { vcek, ask: ask ?? '', ark: ark ?? '' }, revoking);
    expect(refused.checks.find(({ ok }) => !ok)?.code).toBe('ERR_CERTIFICATE_REVOKED');
    const other = parseSnpReport(report).reportedTcb;
    const unknown = kds.vcek(product, parseSnpReport(report).chipId, { ...other, snp: other.snp + 1 });
    await expect(unknown).rejects.toMatchObject({ status: 404 });
  });
});
