import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TpmProxy } from '../../lib/simulator/paravisor/proxy.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { ProxiedTpm } from './proxied-tpm.js';

let tpms: ProxiedTpm;
let proxy: TpmProxy;
let tpm: NativeTpm;

beforeAll(async () => {
  tpms = await ProxiedTpm.start();
  ({ proxy } = tpms);
  tpm = new NativeTpm({ tcti: tpms.tcti });
});

afterAll(async () => {
  await tpm?.close();
  await tpms?.stop();
});

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const pcrValue = async (index: number) => (await tpm.readPcrs('sha256', [index])).get(index) as Buffer;

describe('eventPcr', () => {
  it('extends every bank by its own hash of the data and says by what', async () => {
    const data = Buffer.from('what happened');
    const before = await pcrValue(10);
    const digests = await tpm.eventPcr({ index: 10, data });
    expect(digests.get('sha256')).toEqual(sha256(data));
    expect(digests.get('sha1')).toEqual(createHash('sha1').update(data).digest());
    expect(await pcrValue(10)).toEqual(sha256(before, sha256(data)));
  });

  it('takes 0 to 1,024 bytes and refuses more as a wrong argument', async () => {
    await tpm.eventPcr({ index: 11, data: new Uint8Array() });
    await tpm.eventPcr({ index: 11, data: new Uint8Array(1024) });
    const tooLong = tpm.eventPcr({ index: 11, data: new Uint8Array(1025) });
    await expect(tooLong).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describe('extendPcr', () => {
  it('extends one bank by the digest given', async () => {
    const digest = sha256(Buffer.from('x'));
    const before = await pcrValue(12);
    await tpm.extendPcr({ index: 12, bank: 'sha256', digest });
    expect(await pcrValue(12)).toEqual(sha256(before, digest));
  });

  it('refuses a digest of another length than the bank has, and a PCR that does not exist', async () => {
    for (const size of [0, 20, 31, 33, 64]) {
      const wrong = tpm.extendPcr({ index: 12, bank: 'sha256', digest: new Uint8Array(size) });
      await expect(wrong).rejects.toMatchObject({ kind: 'invalid-argument' });
    }
    await expect(tpm.extendPcr({ index: 24, bank: 'sha256', digest: new Uint8Array(32) })).rejects.toThrow(RangeError);
  });

  it.each([17, 18, 19, 20, 21, 22])('says that the platform keeps PCR %i from its guest', async (index) => {
    const refused = expect.objectContaining({
      kind: 'tpm',
      tpmErrorCode: 0x907, // TPM_RC_LOCALITY
      message: expect.stringContaining(`the platform does not let its guest extend PCR ${index}`),
    });
    await expect(tpm.extendPcr({ index, bank: 'sha256', digest: new Uint8Array(32) })).rejects.toEqual(refused);
    await expect(tpm.eventPcr({ index, data: new Uint8Array(1) })).rejects.toEqual(refused);
  });

  it('passes on every other refusal with the TPM’s own code', async () => {
    proxy.injectFault({ command: 'PCR_Extend', action: { kind: 'error', responseCode: 0x12f } });
    const refused = tpm.extendPcr({ index: 12, bank: 'sha256', digest: new Uint8Array(32) });
    await expect(refused).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x12f });
  });

  it('is repeated when the TPM asks for it, and never when its answer got lost', async () => {
    const digest = new Uint8Array(32).fill(7);
    let before = await pcrValue(13);
    proxy.injectFault({ command: 'PCR_Extend', action: { kind: 'error', responseCode: 0x922 } }); // TPM_RC_RETRY
    await tpm.extendPcr({ index: 13, bank: 'sha256', digest });
    expect(await pcrValue(13)).toEqual(sha256(before, digest));

    before = await pcrValue(13);
    proxy.injectFault({ command: 'PCR_Extend', action: { kind: 'truncate', bytes: 4 } });
    const lost = tpm.extendPcr({ index: 13, bank: 'sha256', digest });
    await expect(lost).rejects.toMatchObject({
      kind: 'tpm',
      message: expect.stringContaining('may have been extended'),
    });
    const after = await pcrValue(13);
    expect(after.equals(before) || after.equals(sha256(before, digest))).toBe(true);
  });
});
