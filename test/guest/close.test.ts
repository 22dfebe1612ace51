import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encrypt, encryptChunks, tokenEncryptionKey } from '../../lib/index.js';
import { attestationPaths, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterEach(() => {
  cvm.imds.clearBehaviours();
  cvm.attestation.clearBehaviours();
});
afterAll(() => cvm?.stop());

const closed = { name: 'AttestationError', code: 12, message: 'the client was closed during the call' };

describe('close()', () => {
  it('ends the wait of attest() for a silent attestation service', async () => {
    const client = clientOf(cvm);
    cvm.attestation.respond(attestationPaths.guest, { kind: 'hang' });
    const asked = cvm.attestation.requests.length;
    const outcome = client.attest({ attestationUrl: cvm.attestationUrl }).catch((error: unknown) => error);
    await expect.poll(() => cvm.attestation.requests.length).toBeGreaterThan(asked);
    await client.close();
    expect(await outcome).toMatchObject(closed);
  });

  it('ends the wait of getEvidence() for a silent metadata service', async () => {
    const client = clientOf(cvm);
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'hang' });
    const asked = cvm.imds.requests.length;
    const outcome = client.getEvidence().catch((error: unknown) => error);
    await expect.poll(() => cvm.imds.requests.length).toBeGreaterThan(asked);
    await client.close();
    expect(await outcome).toMatchObject(closed);
  });

  it('ends queued decryptions of envelopes with 12, not with 26 as if the data were at fault', async () => {
    const client = clientOf(cvm);
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    const sealed = await Promise.all(Array.from({ length: 20 }, () => encrypt(token, randomBytes(8))));
    const outcomes = Promise.allSettled(sealed.map((one) => client.decrypt(one.encryptedData, one)));
    await client.close();
    const codes = (await outcomes).map((one) => (one.status === 'rejected' ? one.reason.code : 'decrypted'));
    expect(codes.at(-1)).toBe(12);
    expect(codes.every((code) => code === 12 || code === 'decrypted')).toBe(true);
  });
});

describe('after close()', () => {
  it('8: every call that needs the TPM, streams included; encrypt and free go on', async () => {
    const client = clientOf(cvm);
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.close();
    const refused = expect.objectContaining({ name: 'AttestationError', code: 8, message: 'the client is closed' });
    await expect(client.attest({ attestationUrl: cvm.attestationUrl })).rejects.toEqual(refused);
    await expect(client.getEvidence()).rejects.toEqual(refused);
    await expect(client.decrypt(new Uint8Array(256), { type: 'None' })).rejects.toEqual(refused);
    await expect(client.decryptJwe('a.b.c.d.e')).rejects.toEqual(refused);
    await expect(client.createDecryptor(new Uint8Array(1))).rejects.toEqual(refused);
    expect(() => client.createDecryptStream()).toThrow(refused);
    expect(() => client.decryptChunks([])).toThrow(refused);
    client.free((await client.encrypt(token, new Uint8Array(1))).encryptedData);
    await client.close();
  });
});

describe('free()', () => {
  it('zeroes a view and nothing around it, takes nothing, and bytes that were transferred away', () => {
    const client = clientOf(cvm);
    const bytes = Buffer.from('abcdef');
    client.free(bytes.subarray(2, 4));
    expect(bytes).toEqual(Buffer.from('ab\0\0ef'));
    client.free(undefined);
    const transferred = new Uint8Array(8);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    expect(() => client.free(transferred)).not.toThrow();
  });
});

describe('arguments that only look right', () => {
  it('8: a proxy for bytes, in either direction', async () => {
    await using client = clientOf(cvm);
    const bytes = new Proxy(new Uint8Array(256), {});
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    await expect(encrypt(token, bytes, { type: 'None' })).rejects.toMatchObject({ code: 8 });
    await expect(client.decrypt(bytes, { type: 'None' })).rejects.toMatchObject({ code: 8 });
  });

  it('8: additional data for one RSA block, which could not have bound any', async () => {
    await using client = clientOf(cvm);
    const options = { type: 'None', additionalData: new Uint8Array(1) } as const;
    await expect(client.decrypt(new Uint8Array(256), options)).rejects.toMatchObject({ code: 8 });
  });

  it.each([null, undefined, 5, '/a/path', {}])('8: %s for a file handle', async (source) => {
    await using client = clientOf(cvm);
    await expect(client.openRandomAccess(source as never)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it.each([null, undefined, 5, {}])('8: %s for the source of a stream', async (source) => {
    await using client = clientOf(cvm);
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    await expect(client.decryptChunks(source as never).next()).rejects.toMatchObject({ code: 8 });
    await expect(encryptChunks(token, source as never).next()).rejects.toMatchObject({ code: 8 });
  });

  it.each([null, undefined, 5])('8: %s instead of the options of tokenEncryptionKey', async (options) => {
    await expect(tokenEncryptionKey('a.b.c', options as never)).rejects.toMatchObject({ code: 8 });
  });

  it.each([null, 5, 'twice'])('8: %s for the retry options', (retry) => {
    expect(() => clientOf(cvm, { retry: retry as never })).toThrow(expect.objectContaining({ code: 8 }));
  });
});
