import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { AK_HANDLE, PCRS, TestTpm, wrapFor } from './test-tpm.js';

const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' } as const;

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

/** A message for the TPM's present key. */
async function sealed(client: NativeTpm, message: Buffer): Promise<Buffer> {
  const { publicArea } = await client.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
  return wrapFor(publicArea, message);
}

describe('the queue', () => {
  it('serves 1,000 concurrent decrypts of different keys in order of arrival', async () => {
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
    const messages = Array.from({ length: 1000 }, () => randomBytes(32));
    const finished: number[] = [];
    const opened = await Promise.all(
      messages.map(async (message, i) => {
        const ciphertext = wrapFor(publicArea, message);
        const plaintext = await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme });
        finished.push(i);
        return plaintext;
      }),
    );
    expect(opened).toEqual(messages);
    expect(finished).toEqual(messages.map((_, i) => i));
  });

  it('drops what is aborted at once, with the reason of the signal, and goes on with the rest', async () => {
    const ciphertext = await sealed(tpm, Buffer.from('kept'));
    const decrypt = (signal?: AbortSignal) =>
      tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme }, signal === undefined ? {} : { signal });
    const controller = new AbortController();
    const aborted = Array.from({ length: 100 }, () => decrypt(controller.signal));
    const settled: string[] = [];
    const kept = decrypt().finally(() => settled.push('kept'));
    controller.abort();
    const outcomes = await Promise.allSettled(aborted).finally(() => settled.push('aborted'));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
    }
    expect((await kept).toString()).toBe('kept');
    expect(settled).toEqual(['aborted', 'kept']);
    const reason = new Error('changed my mind');
    await expect(decrypt(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('leaves the event loop alone', async () => {
    const ciphertext = await sealed(tpm, Buffer.from('x'));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await Promise.all(Array.from({ length: 50 }, () => tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })));
    clearInterval(timer);
    // Blocked, it would not have turned once.
    expect(turns).toBeGreaterThan(5);
  });

  it('rejects what is queued when the client is closed', async () => {
    const client = new NativeTpm({ tcti: swtpm.tcti });
    const calls = Array.from({ length: 5 }, () => client.readPcrs('sha256', PCRS));
    const outcomes = Promise.allSettled(calls);
    await client.close();
    const rejected = (await outcomes).filter((outcome) => outcome.status === 'rejected');
    expect(rejected.length).toBeGreaterThan(0);
    for (const { reason } of rejected) expect(reason).toMatchObject({ kind: 'aborted' });
  });
});

describe('a TPM without resource manager', () => {
  it('serves 32 clients of one process with three slots', async () => {
    const clients = Array.from({ length: 32 }, () => new NativeTpm({ tcti: swtpm.tcti }));
    const messages = await Promise.all(
      clients.map(async (client) => {
        const message = randomBytes(32);
        return (await client.rsaDecrypt({ ciphertext: await sealed(client, message), pcrs: PCRS, scheme })).equals(
          message,
        );
      }),
    );
    expect(messages).toEqual(clients.map(() => true));
    await Promise.all(clients.map((client) => client.close()));
    await tpm.close();
    expect(await swtpm.loaded()).toBe(0);
    tpm = new NativeTpm({ tcti: swtpm.tcti });
  });

  it('gets its slots back from an idle client, which goes on with the same key', async () => {
    const message = randomBytes(32);
    const ciphertext = await sealed(tpm, message);
    expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).toEqual(message);
    expect(await swtpm.loaded()).toBe(2);
    await expect.poll(() => swtpm.loaded(), { timeout: 10_000 }).toBe(0);
    expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).toEqual(message);
  });

  it('can be a silent one: the call times out, the next one works when the TPM does', async () => {
    const client = new NativeTpm({ tcti: swtpm.tcti, commandTimeoutMs: 1000 });
    const message = randomBytes(32);
    const ciphertext = await sealed(client, message);
    swtpm.swtpm.pause();
    await expect(client.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).rejects.toMatchObject({ kind: 'timeout' });
    await expect(client.readPcrs('sha256', [0])).rejects.toMatchObject({ kind: 'timeout' });
    swtpm.swtpm.resume();
    expect(await client.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).toEqual(message);
    await client.close();
    await tpm.close();
    await expect.poll(() => swtpm.loaded(), { timeout: 10_000 }).toBe(0);
    tpm = new NativeTpm({ tcti: swtpm.tcti });
  });
});

describe('no TPM at all', () => {
  it('is said at once, with the code of the TCTI', async () => {
    const client = new NativeTpm({ tcti: 'device:/dev/there-is-no-such-tpm' });
    await expect(client.readPcrs('sha256', [0])).rejects.toMatchObject({
      kind: 'tpm-unavailable',
      tpmErrorCode: 655370,
    });
    await client.close();
  });
});
