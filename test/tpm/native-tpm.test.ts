import { constants, createHash, publicEncrypt, randomBytes, verify } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { AK_HANDLE, PCRS, rsaKey, TestTpm, wrapFor } from './test-tpm.js';

let swtpm: TestTpm;
let tpm: NativeTpm;

beforeAll(async () => {
  swtpm = await TestTpm.start();
  tpm = new NativeTpm({ tcti: swtpm.tcti });
});

afterAll(async () => {
  await tpm.close();
  await swtpm.stop();
});

describe('the environment of the process', () => {
  // From the TPM's thread it would move under a getenv() of this one, now and then, and end the process.
  it('is changed on this thread alone, and before anything is asked of the TPM', async () => {
    const { TpmClient } = native();
    delete process.env.TSS2_LOG;
    const clients = [new TpmClient(swtpm.tcti, 30_000)];
    expect(process.env.TSS2_LOG).toBe('all+NONE');
    process.env.TSS2_LOG = 'all+ERROR';
    clients.push(new TpmClient(swtpm.tcti, 30_000));
    expect(process.env.TSS2_LOG).toBe('all+ERROR');
    process.env.TSS2_LOG = 'all+NONE';
    await Promise.all(clients.map((client) => client.close()));
  });
});

describe('reading', () => {
  it('PCRs, more than one command carries', async () => {
    await swtpm.extendPcr(10);
    const values = await tpm.readPcrs('sha256', [23, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...values.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 23]);
    expect(values.get(0)).toEqual(Buffer.alloc(32));
    const extended = createHash('sha256').update(Buffer.alloc(32)).update(Buffer.alloc(32, 0xab)).digest();
    expect(values.get(10)).toEqual(extended);
  });

  it('the public area and name of the attestation key', async () => {
    const { publicArea, name } = await tpm.readPublic(AK_HANDLE);
    expect(publicArea.readUInt16BE(0)).toBe(publicArea.length - 2);
    const digest = createHash('sha256').update(publicArea.subarray(2)).digest();
    expect(name).toEqual(Buffer.concat([Buffer.from('000b', 'hex'), digest]));
  });

  it('says which code the TPM answered', async () => {
    await expect(tpm.readPublic(0x8100_00ff)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x18b });
    await expect(tpm.nvRead(0x0140_0001)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x18b });
    await expect(tpm.nvReadPublic(0x0140_0001)).resolves.toBeUndefined();
    await expect(tpm.nvReadIfDefined(0x0140_0001)).resolves.toBeUndefined();
  });
});

describe('NV', () => {
  const index = 0x0180_1234;

  it('is defined by the first write and read back in chunks', async () => {
    const data = randomBytes(2048);
    await tpm.nvWrite(index, data);
    expect(await tpm.nvRead(index)).toEqual(data);
    expect(await tpm.nvReadIfDefined(index)).toEqual(data);
    expect(await tpm.nvReadPublic(index)).toMatchObject({ size: 2048 });
  });

  it('is replaced by content of another size', async () => {
    const data = randomBytes(700);
    await tpm.nvReplace(index, data);
    expect(await tpm.nvRead(index)).toEqual(data);
    expect((await tpm.nvReadPublic(index))?.size).toBe(700);
  });

  it('keeps its old content when the new one does not fit, and says so', async () => {
    const before = await tpm.nvRead(index);
    await expect(tpm.nvReplace(index, randomBytes(4000))).rejects.toThrow(/old content was put back/);
    expect(await tpm.nvRead(index)).toEqual(before);
  });

  it('writes one index and reads another in one go', async () => {
    await tpm.nvWrite(0x0180_1235, randomBytes(64));
    const data = randomBytes(64);
    const request = { writeIndex: 0x0180_1235, data, readIndex: 0x0180_1235 };
    expect(await tpm.nvWriteThenRead(request)).toEqual(data);
  });
});

describe('the attestation key', () => {
  it('quotes PCRs and the nonce', async () => {
    const nonce = randomBytes(32);
    const quote = await tpm.quote({ keyHandle: AK_HANDLE, qualifyingData: nonce, bank: 'sha256', pcrs: PCRS });
    const { publicArea } = await tpm.readPublic(AK_HANDLE);
    expect(verify('sha256', quote.message, rsaKey(publicArea), quote.signature)).toBe(true);
    expect(quote.message.includes(nonce)).toBe(true);
    expect(quote.message.subarray(0, 6).toString('hex')).toBe('ff5443478018');
  });

  it('certifies the ephemeral key', async () => {
    const key = await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
    const { publicArea } = await tpm.readPublic(AK_HANDLE);
    expect(verify('sha256', key.certifyInfo, rsaKey(publicArea), key.certifySignature)).toBe(true);
    const name = createHash('sha256').update(key.publicArea.subarray(2)).digest();
    expect(key.certifyInfo.includes(name)).toBe(true);
  });
});

describe('the ephemeral key', () => {
  const certified = async () => (await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS })).publicArea;
  const message = randomBytes(32);

  const sealed = async () => wrapFor(await certified(), message);
  const open = (ciphertext: Uint8Array) =>
    tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme: { scheme: 'RSA-OAEP', hash: 'SHA-256' } });

  afterEach(async () => {
    // One key and one session, whatever happened.
    expect(await swtpm.loaded()).toBeLessThanOrEqual(2);
  });

  it.each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] as const)('opens RSA-OAEP with %s', async (hash) => {
    const oaepHash = hash.toLowerCase().replace('-', '');
    const key = rsaKey(await certified());
    const ciphertext = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, message);
    expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme: { scheme: 'RSA-OAEP', hash } })).toEqual(message);
  });

  it('opens a block that was encrypted with RSAES (PKCS#1 v1.5)', async () => {
    const ciphertext = publicEncrypt({ key: rsaKey(await certified()), padding: constants.RSA_PKCS1_PADDING }, message);
    expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme: { scheme: 'RSAES' } })).toEqual(message);
  });

  it('refuses a changed ciphertext with the code of the TPM, and works on', async () => {
    const ciphertext = await sealed();
    const changed = Buffer.from(ciphertext);
    changed[100] = (changed[100] ?? 0) ^ 1;
    await expect(open(changed)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: expect.any(Number) });
    expect(await open(ciphertext)).toEqual(message);
  });

  it('stays the same when PCR 8 or only the SHA-1 bank changes, and is another after PCR 7', async () => {
    const before = await certified();
    const ciphertext = await sealed();
    await swtpm.extendPcr(8);
    await swtpm.extendPcr(7, 'sha1');
    expect(await open(ciphertext)).toEqual(message);
    expect(await certified()).toEqual(before);
    await swtpm.extendPcr(7);
    await expect(open(ciphertext)).rejects.toMatchObject({ kind: 'tpm' });
    expect(await certified()).not.toEqual(before);
    expect(await open(await sealed())).toEqual(message);
  });

  it('is made again after the TPM was restarted', async () => {
    const ciphertext = await sealed();
    await swtpm.swtpm.crash();
    await expect(open(ciphertext)).rejects.toMatchObject({ kind: 'tpm' });
    expect(await open(await sealed())).toEqual(message);
    await swtpm.swtpm.crash();
    await tpm.readPcrs('sha256', [0]);
    expect(await open(await sealed())).toEqual(message);
  });

  it('leaves nothing behind when the client is closed', async () => {
    const other = new NativeTpm({ tcti: swtpm.tcti });
    await other.readPcrs('sha256', [0]);
    await other.close();
    await other.close();
    await expect(other.readPcrs('sha256', [0])).rejects.toMatchObject({ kind: 'aborted' });
    await tpm.close();
    expect(await swtpm.loaded()).toBe(0);
    tpm = new NativeTpm({ tcti: swtpm.tcti });
  });
});
