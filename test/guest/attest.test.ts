import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, EncryptionType, type RsaScheme, verifyToken } from '../../lib/index.js';
import { attestationPaths, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
});
afterAll(async () => {
  await client?.close();
  expect(await cvm?.loadedHandles()).toEqual({ transient: [], sessions: [] });
  await cvm?.stop();
});

const attest = (clientPayload?: Record<string, unknown>) =>
  client.attest({ attestationUrl: cvm.attestationUrl, ...(clientPayload && { clientPayload }) });

describe('attest', () => {
  it("returns a token that the service's key signs, with this VM and the caller's payload in it", async () => {
    const nonce = randomBytes(16).toString('hex');
    const token = await attest({ nonce, role: 'test' });
    const claims = await verifyToken(token, {
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      nonce,
      clientPayload: { role: 'test' },
      attestationType: 'azurevm',
    });
    expect(claims).toMatchObject({
      'x-ms-azurevm-vmid': cvm.vmId,
      'x-ms-azurevm-osdistro': 'Ubuntu',
      'x-ms-azurevm-osversion-major': 24,
      'x-ms-azurevm-osversion-minor': 4,
    });
  });

  it.each<[string, object]>([
    ['a trusted launch VM', { vmType: 'tvm' }],
    ['a Genoa host', { product: 'Genoa' }],
    ['a Turin host', { product: 'Turin' }],
    ['an older image', { tpm: { hclReport: { indexSize: 2048, olderClaims: true } } }],
    ['a certificate in an index of 4 KiB', { tpm: { akCertificate: { indexSize: 4096 } } }],
  ])('works on %s', async (_, options) => {
    await using other = await SimulatedCvm.start(options);
    await using guest = clientOf(other);
    const token = await guest.attest({ attestationUrl: other.attestationUrl });
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    expect(claims['x-ms-azurevm-vmid']).toBe(other.vmId);
    expect('x-ms-isolation-tee' in claims).toBe(!('vmType' in options));
  });

  it('asks the TPM for everything while the host takes its time', async () => {
    await attest();
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'delay', ms: 500 });
    const trace = cvm.trace();
    const token = attest();
    // One index for the report, one for the certificate.
    const commands = { NV_ReadPublic: 2, Quote: 1, ReadPublic: 1, Certify: 1 };
    await expect.poll(() => trace.counts(), { timeout: 400 }).toMatchObject(commands);
    expect(trace.counts()).not.toHaveProperty('PolicyPCR');
    await token;
    expect(trace.stop()).toHaveLength(13);
  });

  it('has the decryption of the answer authorized while the service takes its time', async () => {
    await attest();
    cvm.attestation.respond(attestationPaths.guest, { kind: 'delay', ms: 500 });
    const trace = cvm.trace();
    const token = attest();
    await expect.poll(() => trace.counts(), { timeout: 400 }).toHaveProperty('PolicyPCR');
    expect(trace.counts()).not.toHaveProperty('RSA_Decrypt');
    await token;
    trace.stop();
    expect(trace.counts()).toMatchObject({ PolicyPCR: 1, RSA_Decrypt: 1 });
  });

  it('does without that when the TPM refuses it, or when the PCRs move meanwhile', async () => {
    cvm.tpm.injectFault({ command: 'PolicyPCR', action: { kind: 'error', responseCode: 0x101 } });
    expect(await attest()).toMatch(/^ey/);
    // One that the key is not bound to, and yet counts as a change (TPM_PT_PCR_NO_INCREMENT lists 16 and 21 to 23).
    const run = () => cvm.extendPcr(10, randomBytes(32));
    cvm.tpm.injectFault({ command: 'RSA_Decrypt', action: { kind: 'before', run } });
    const trace = cvm.trace();
    expect(await attest()).toMatch(/^ey/);
    trace.stop();
    expect(trace.counts()).toMatchObject({ PolicyPCR: 2, RSA_Decrypt: 2, Quote: 1 });
  });

  it('takes what the TPM has not begun out of its queue once something else has failed', async () => {
    cvm.tpm.injectFault({ command: 'ReadPublic', action: { kind: 'delay', ms: 300 } });
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 403 });
    const trace = cvm.trace();
    const guest = clientOf(cvm);
    await expect(guest.attest({ attestationUrl: cvm.attestationUrl })).rejects.toMatchObject({ code: 5 });
    await guest.close(); // waits for the command in flight
    trace.stop();
    expect(trace.counts()).toHaveProperty('ReadPublic');
    expect(trace.counts()).not.toHaveProperty('Quote');
    expect(trace.counts()).not.toHaveProperty('Certify');
  });

  it('works many times at once on one client', async () => {
    const nonces = Array.from({ length: 8 }, () => randomBytes(8).toString('hex'));
    const tokens = await Promise.all(nonces.map((nonce) => attest({ nonce })));
    for (const [index, token] of tokens.entries()) {
      await verifyToken(token, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, nonce: nonces[index] ?? '' });
    }
  });
});

describe('encrypt and decrypt', () => {
  const cases: [RsaScheme, 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512', number][] = [
    ['RSAES', 'SHA-1', 245],
    ['RSA-OAEP', 'SHA-1', 214],
    ['RSA-OAEP', 'SHA-256', 190],
    ['RSA-OAEP', 'SHA-384', 158],
    ['RSA-OAEP', 'SHA-512', 126],
  ];
  it.each(cases)('%s with %s takes up to %i bytes in one block', async (scheme, hash, limit) => {
    const token = await attest();
    const options = { type: EncryptionType.None, scheme, hash };
    for (const size of [1, 32, limit]) {
      const data = randomBytes(size);
      const { encryptedData, encryptionMetadata } = await client.encrypt(token, data, options);
      expect([encryptedData.length, encryptionMetadata.length]).toEqual([256, 0]);
      expect(await client.decrypt(encryptedData, options)).toEqual(data);
    }
    await expect(client.encrypt(token, randomBytes(limit + 1), options)).rejects.toMatchObject({ code: 25 });
  });

  it('default to OAEP with SHA-256 in one block, and to an envelope of any size', async () => {
    const token = await attest();
    const data = randomBytes(100);
    const block = await client.encrypt(token, data, { type: 'None' });
    const explicit = { type: 'None', scheme: 'RSA-OAEP', hash: 'SHA-256' } as const;
    expect(await client.decrypt(block.encryptedData, explicit)).toEqual(data);
    const long = randomBytes(100_000);
    const envelope = await client.encrypt(token, long);
    const { encryptedData, encryptionMetadata } = envelope;
    expect(await client.decrypt(encryptedData, { encryptionMetadata })).toEqual(long);
  });

  it('need two TPM commands for each block once the key is loaded', async () => {
    const token = await attest();
    const { encryptedData } = await client.encrypt(token, randomBytes(32), { type: 'None' });
    await client.decrypt(encryptedData, { type: 'None' });
    const trace = cvm.trace();
    for (let count = 0; count < 10; count++) await client.decrypt(encryptedData, { type: 'None' });
    trace.stop();
    expect(trace.counts()).toEqual({ PolicyPCR: 10, RSA_Decrypt: 10 });
  });

  it('free zeroes what was decrypted, and is safe twice and with nothing', async () => {
    const { encryptedData } = await client.encrypt(await attest(), Buffer.from('secret'), { type: 'None' });
    const decrypted = await client.decrypt(encryptedData, { type: 'None' });
    expect(decrypted.toString()).toBe('secret');
    client.free(decrypted);
    client.free(decrypted);
    client.free(null);
    client.free(undefined);
    expect(decrypted).toEqual(Buffer.alloc(6));
    expect(() => client.free('secret' as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});

describe('when the PCRs change or the VM reboots', () => {
  it('old ciphertexts are refused, and calls after it get a fresh key by themselves', async () => {
    const refused = expect.objectContaining({ code: 26, tpmErrorCode: expect.toSatisfy((rc: number) => rc > 0) });
    const seal = async () => client.encrypt(await attest(), Buffer.from('x'), { type: 'None' });
    const before = await seal();
    await cvm.extendPcr(7, createHash('sha256').update('x').digest(), { logged: false });
    await expect(client.decrypt(before.encryptedData, { type: 'None' })).rejects.toThrow(refused);
    await expect(attest()).rejects.toMatchObject({ code: 6, status: 400, message: expect.stringContaining('PCR 7') });

    await cvm.reboot();
    await expect(client.decrypt(before.encryptedData, { type: 'None' })).rejects.toThrow(refused);
    const after = await seal();
    expect((await client.decrypt(after.encryptedData, { type: 'None' })).toString()).toBe('x');
  });
});
