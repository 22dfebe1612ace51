import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, encrypt } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
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

const value = async (index: number): Promise<Buffer> => (await cvm.readPcrs([index])).get(index) ?? Buffer.alloc(0);
const extended = (old: Buffer, digest: Buffer): Buffer => createHash('sha256').update(old).update(digest).digest();

describe('extendPcr', () => {
  it.each([1, 32, 1024])('measures the hash of %i bytes, and evidence shows it', async (size) => {
    const data = randomBytes(size);
    const before = await value(15);
    await client.extendPcr(15, data);
    const expected = extended(before, createHash('sha256').update(data).digest());
    expect(await value(15)).toEqual(expected);
    const { quote } = await client.getEvidence({ pcrs: [15], certificates: false });
    expect(Buffer.from(quote?.pcrs.values[15] ?? [])).toEqual(expected);
  });

  it('extends one bank by a digest where it is named', async () => {
    const digest = randomBytes(32);
    const before = await value(23);
    await client.extendPcr(23, digest, { bank: 'sha256' });
    expect(await value(23)).toEqual(extended(before, digest));
  });

  it.each([17, 18, 19, 20, 21, 22])(
    'PCR %i is the platform’s: 13 with 0x907, and the message says so',
    async (index) => {
      await expect(client.extendPcr(index, Buffer.from('x'))).rejects.toMatchObject({
        name: 'AttestationError',
        code: 13,
        tpmErrorCode: 0x907,
        message: expect.stringContaining('the platform does not let its guest extend'),
      });
    },
  );

  it('of a PCR among 0 to 7 puts the key of earlier tokens out of reach', async () => {
    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    const sealed = await encrypt(token, Buffer.from('secret'));
    await client.extendPcr(4, Buffer.from('another boot loader'));
    await expect(client.decrypt(sealed.encryptedData, sealed)).rejects.toMatchObject({ code: 26 });
  });

  it.each<[string, unknown, unknown, unknown]>([
    ['PCR 24', 24, Buffer.from('x'), {}],
    ['PCR -1', -1, Buffer.from('x'), {}],
    ['PCR 1.5', 1.5, Buffer.from('x'), {}],
    ['PCR "15"', '15', Buffer.from('x'), {}],
    ['no data', 15, new Uint8Array(), {}],
    ['text for data', 15, 'x', {}],
    ['1025 bytes', 15, new Uint8Array(1025), {}],
    ['a digest of the wrong length', 15, new Uint8Array(20), { bank: 'sha256' }],
    ['a bank that does not exist', 15, new Uint8Array(32), { bank: 'sha3' }],
    ['a bank that is undefined', 15, new Uint8Array(32), { bank: undefined }],
    ['an unknown option', 15, new Uint8Array(32), { hash: 'sha256' }],
  ])('8: %s', async (_, index, data, options) => {
    const before = await value(15);
    await expect(client.extendPcr(index as number, data as Uint8Array, options as object)).rejects.toMatchObject({
      name: 'AttestationError',
      code: 8,
    });
    expect(await value(15)).toEqual(before);
  });

  it('is refused after close(), and before anything when it is aborted', async () => {
    const other = clientOf(cvm);
    const before = await value(15);
    await expect(other.extendPcr(15, Buffer.from('x'), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await other.close();
    await expect(other.extendPcr(15, Buffer.from('x'))).rejects.toMatchObject({ code: 8 });
    expect(await value(15)).toEqual(before);
  });
});
