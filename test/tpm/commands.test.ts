import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TpmProxy } from '../../lib/simulator/paravisor/proxy.js';
import { AzureHandle, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { createPersistentKey, endorsementKeyTemplate } from '../../lib/simulator/tpm/keys.js';
import { NativeTpm, type NativeTpmOptions } from '../../lib/tpm/native-tpm.js';
import { ProxiedTpm } from './proxied-tpm.js';
import { AK_HANDLE, PCRS, type TestTpm, wrapFor } from './test-tpm.js';

const message = Buffer.from('what nobody else may see');
const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' } as const;

let tpms: ProxiedTpm;
let swtpm: TestTpm;
let proxy: TpmProxy;
let ciphertext: Buffer;
let endorsementKey: Buffer;

beforeAll(async () => {
  tpms = await ProxiedTpm.start();
  ({ swtpm, proxy } = tpms);
  const { transport } = swtpm.swtpm;
  const { endorsement } = PermanentHandle;
  endorsementKey = await createPersistentKey(
    transport,
    endorsement,
    endorsementKeyTemplate(),
    AzureHandle.endorsementKey,
  );
  await withClient({}, async (tpm) => {
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
    ciphertext = wrapFor(publicArea, message);
  });
});

afterAll(() => tpms?.stop());

async function withClient(options: NativeTpmOptions, use: (tpm: NativeTpm) => Promise<void>): Promise<void> {
  const tpm = new NativeTpm({ ...options, tcti: tpms.tcti });
  try {
    await use(tpm);
  } finally {
    await tpm.close();
    expect(await swtpm.loaded()).toBe(0);
  }
}

const decrypt = (tpm: NativeTpm) => tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme });

/** Names of the commands that `work` sends. */
async function commandsOf(work: () => Promise<unknown>): Promise<string[]> {
  const trace = proxy.trace();
  await work();
  return trace.stop().map(({ name }) => name);
}

describe('TPM commands', () => {
  it('of a decrypt are PolicyPCR and RSA_Decrypt, after the first one', async () => {
    await withClient({}, async (tpm) => {
      await decrypt(tpm);
      expect(await commandsOf(() => decrypt(tpm))).toEqual(['PolicyPCR', 'RSA_Decrypt']);
      const refused = tpm.rsaDecrypt({ ciphertext: Buffer.alloc(256, 1), pcrs: PCRS, scheme });
      await expect(refused).rejects.toMatchObject({ kind: 'tpm' });
      expect(await commandsOf(() => decrypt(tpm))).toEqual(['PolicyPCR', 'RSA_Decrypt']);
      await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
      expect(await commandsOf(() => decrypt(tpm))).toEqual(['PolicyPCR', 'RSA_Decrypt']);
    });
  });

  it('of a decrypt that was prepared is RSA_Decrypt', async () => {
    await withClient({}, async (tpm) => {
      const prepare = () => tpm.prepareDecrypt({ pcrs: PCRS });
      expect(await commandsOf(prepare)).toEqual([]); // there is no key yet
      await decrypt(tpm);
      expect(await commandsOf(prepare)).toEqual(['PolicyPCR']);
      expect(await commandsOf(prepare)).toEqual([]);
      expect(await commandsOf(() => decrypt(tpm))).toEqual(['RSA_Decrypt']);
      expect(await commandsOf(() => decrypt(tpm))).toEqual(['PolicyPCR', 'RSA_Decrypt']);
    });
  });

  it('of a second certification generate no key', async () => {
    await withClient({}, async (tpm) => {
      const certify = () => tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
      expect(await commandsOf(certify)).toContain('CreatePrimary');
      expect(await commandsOf(certify)).toEqual(['PCR_Read', 'Certify']);
    });
  });
});

describe('a damaged answer', () => {
  it('that SAPI reads and cannot write again fails the call, not the process', async () => {
    await withClient({}, async (tpm) => {
      const trace = proxy.trace();
      const { name } = await tpm.readPublic(AK_HANDLE);
      const response = Buffer.from(trace.stop()[0]?.response ?? []);
      response.writeUInt16BE(0, 12); // TPMT_PUBLIC.type: TPM_ALG_ERROR
      proxy.injectFault({ command: 'ReadPublic', action: { kind: 'replace', response } });
      await expect(tpm.readPublic(AK_HANDLE)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x9_000b });
      expect((await tpm.readPublic(AK_HANDLE)).name).toEqual(name);
    });
  });
});

describe('parameter encryption', () => {
  const name = () => Buffer.concat([Buffer.from('000b', 'hex'), createHash('sha256').update(endorsementKey).digest()]);

  it('keeps the plaintext out of what passes, at no further command', async () => {
    for (const parameterEncryption of [false, true, { keyName: name() }]) {
      await withClient({ parameterEncryption }, async (tpm) => {
        expect(await decrypt(tpm)).toEqual(message);
        for (let i = 0; i < 3; i++) {
          const trace = proxy.trace();
          expect(await decrypt(tpm)).toEqual(message);
          const commands = trace.stop();
          expect(commands.map((command) => command.name)).toEqual(['PolicyPCR', 'RSA_Decrypt']);
          const seen = commands.some(({ response }) => response?.includes(message));
          expect(seen).toBe(parameterEncryption === false);
        }
      });
    }
  });

  it('goes on working after a refused ciphertext', async () => {
    await withClient({ parameterEncryption: true }, async (tpm) => {
      const refused = tpm.rsaDecrypt({ ciphertext: Buffer.alloc(256, 1), pcrs: PCRS, scheme });
      await expect(refused).rejects.toMatchObject({ kind: 'tpm' });
      expect(await decrypt(tpm)).toEqual(message);
    });
  });

  it('does not take an answer that was changed on its way', async () => {
    await withClient({ parameterEncryption: true }, async (tpm) => {
      await decrypt(tpm);
      proxy.injectFault({ command: 'RSA_Decrypt', times: 100, action: { kind: 'corrupt' } });
      await expect(decrypt(tpm)).rejects.toMatchObject({ kind: 'tpm' });
      proxy.clearFaults();
      expect(await decrypt(tpm)).toEqual(message);
    });
  });

  it('refuses a key that is not the one expected, or cannot take a salt', async () => {
    await withClient({ parameterEncryption: { keyName: Buffer.alloc(34) } }, async (tpm) => {
      await expect(decrypt(tpm)).rejects.toThrow(/not the one expected/);
    });
    await withClient({ parameterEncryption: { keyHandle: 0x8100_0099 } }, async (tpm) => {
      await expect(decrypt(tpm)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x18b });
    });
  });
});
