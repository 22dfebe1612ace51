import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttestationClient,
  buildSevSnpVmRequest,
  type Evidence,
  MaaClient,
  tokenEncryptionKey,
  verifyToken,
} from '../../lib/index.js';
import { SimulatedCvm, TokenSigner } from '../../lib/simulator/index.js';
import { refusal } from '../token/refusal.js';

const initTimeData = Buffer.from('{"volumes":["sha256:…"]}');
const hostData = createHash('sha256').update(initTimeData).digest();
const once = { retry: { retries: 0 } };

let cvm: SimulatedCvm;
let guest: AttestationClient;
let evidence: Evidence;
let service: MaaClient;

beforeAll(async () => {
  cvm = await SimulatedCvm.start({ snpReport: { hostData } });
  guest = cvm.client();
  evidence = await guest.getEvidence({ quote: false });
  service = new MaaClient(cvm.attestationUrl, once);
});
afterAll(async () => {
  await guest?.close();
  await cvm?.stop();
});

describe('platform attestation, from evidence to verified claims', () => {
  it('with everything that a request can carry', async () => {
    const request = buildSevSnpVmRequest(evidence, { nonce: 'noncesevsnp987', initTimeData: { data: initTimeData } });
    const { token } = await service.attestSevSnpVm(request);
    const claims = await verifyToken(token, {
      issuer: cvm.attestationUrl,
      attestationType: 'sevsnpvm',
      nonce: 'noncesevsnp987',
      hostData,
      vmId: cvm.vmId,
      requireSecureBoot: true,
      requireTpm: true,
    });
    if (claims['x-ms-attestation-type'] !== 'sevsnpvm') throw new Error('expected a platform token');
    const runtimeData = Buffer.from(request.runtimeData?.data ?? '', 'base64url');
    const digest = createHash('sha256').update(runtimeData).digest('hex');
    expect(claims['x-ms-sevsnpvm-reportdata']).toBe(digest + '00'.repeat(32));
    expect(claims['x-ms-runtime']?.keys?.map(({ kid }) => kid)).toContain('HCLAkPub');
  });

  it('with init-time data in JSON, and with runtime data as bytes only', async () => {
    const data = { data: initTimeData, dataType: 'JSON' as const };
    const request = buildSevSnpVmRequest(evidence, { initTimeData: data });
    const binary = { ...request, runtimeData: { data: request.runtimeData?.data ?? '', dataType: 'Binary' as const } };
    const { token } = await service.attestSevSnpVm(binary);
    const claims = await verifyToken(token, {
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      attestationType: 'sevsnpvm',
    });
    expect(claims['x-ms-runtime']).toBeUndefined();
  });

  it('under a draft policy: the token that comes back is refused', async () => {
    const draft = { draftPolicyForAttestation: 'version=1.0; authorizationrules{=>permit();};' };
    const { token } = await service.attestSevSnpVm(buildSevSnpVmRequest(evidence, draft));
    await refusal(verifyToken(token, { issuer: cvm.attestationUrl }), 'ERR_TOKEN_ALGORITHM');
  });

  it('of a report that was changed: the service refuses it in its own words', async () => {
    const hclReport = Buffer.from(evidence.hclReport);
    hclReport[32 + 0x10] = (hclReport[32 + 0x10] ?? 0) ^ 1; // family_id, inside of what is signed
    const attempt = service.attestSevSnpVm(buildSevSnpVmRequest({ ...evidence, hclReport }));
    await expect(attempt).rejects.toMatchObject({ name: 'CloudError', status: 400, code: expect.any(String) });
  });

  it('by a private instance, with the credential’s token and not without', async () => {
    await using own = await SimulatedCvm.start({ attestation: { bearerToken: 'entra' } });
    await using ownGuest = own.client();
    const request = buildSevSnpVmRequest(await ownGuest.getEvidence({ quote: false }));
    const credential = { getToken: async () => ({ token: 'entra', expiresOnTimestamp: Date.now() + 60_000 }) };
    const allowed = new MaaClient(own.attestationUrl, { ...once, credential });
    await expect(allowed.attestSevSnpVm(request)).resolves.toHaveProperty('token');
    const refused = new MaaClient(own.attestationUrl, once).attestSevSnpVm(request);
    await expect(refused).rejects.toMatchObject({ name: 'CloudError', status: 401, code: 'Unauthorized' });
  });
});

describe('the service’s keys', () => {
  it('are published as certificates only, and are enough', async () => {
    const set = await service.signingKeys();
    expect(set.keys[0]).toMatchObject({ kty: 'RSA', x5c: [expect.any(String)] });
    expect(set.keys[0]).not.toHaveProperty('n');
    const token = await guest.attest({ attestationUrl: cvm.attestationUrl });
    await expect(verifyToken(token, { issuer: cvm.attestationUrl, keys: set })).resolves.toBeDefined();
    const { issuer, jwks_uri } = await service.openIdConfiguration();
    expect({ issuer, jwks_uri }).toEqual({ issuer: cvm.attestationUrl, jwks_uri: `${cvm.attestationUrl}/certs` });
  });

  it('rotate: tokens of the new key are taken at once, those of the old one no longer', async () => {
    const options = { issuer: cvm.attestationUrl };
    const before = await guest.attest({ attestationUrl: cvm.attestationUrl });
    await expect(verifyToken(before, options)).resolves.toBeDefined();
    cvm.attestation.signer = await TokenSigner.create('rotated');
    const after = await guest.attest({ attestationUrl: cvm.attestationUrl });
    await expect(verifyToken(after, options)).resolves.toBeDefined();
    await refusal(verifyToken(before, options), 'ERR_TOKEN_KEY_UNKNOWN');
  }, 60_000);
});

describe('the key in a guest token', () => {
  it('is the public part of the TPM’s ephemeral key', async () => {
    const token = await guest.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: 'n' } });
    const key = await tokenEncryptionKey(token, { issuer: cvm.attestationUrl, nonce: 'n' });
    const { encryptedData } = await guest.encrypt(key.jwk, Buffer.from('for the TPM'), { type: 'None' });
    const decrypted = await guest.decrypt(encryptedData, { type: 'None' });
    expect(decrypted.toString()).toBe('for the TPM');
  });
});

const sample = new URL('../../../shared/seeds/maa-attest-sev-snp-vm-rest-api.txt', import.meta.url);
describe.skipIf(!existsSync(sample))('the documented sample request', () => {
  it('is answered as documented: its empty report is refused with a CloudError', async () => {
    const data = /"data": "([^"]+)"/.exec(readFileSync(sample, 'utf8'))?.[1] ?? '';
    const attempt = service.attestSevSnpVm({ report: '', runtimeData: { data, dataType: 'JSON' } });
    await expect(attempt).rejects.toMatchObject({
      name: 'CloudError',
      status: 400,
      code: expect.stringMatching(/^\w+$/),
      message: expect.stringMatching(/report/),
    });
  });
});
