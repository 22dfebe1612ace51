import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeError } from '../../lib/native.js';
import type { TpmProxy } from '../../lib/simulator/paravisor/proxy.js';
import type { TpmFaultAction } from '../../lib/simulator/paravisor/tpm-faults.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { ProxiedTpm } from './proxied-tpm.js';
import { AK_HANDLE, PCRS, type TestTpm, wrapFor } from './test-tpm.js';

const NV_INDEX = 0x0180_1000;
const message = Buffer.from('a content key');
const nvData = Buffer.alloc(1500, 7);

let tpms: ProxiedTpm;
let swtpm: TestTpm;
let proxy: TpmProxy;
let ciphertext: Buffer;

beforeAll(async () => {
  tpms = await ProxiedTpm.start();
  ({ swtpm, proxy } = tpms);
  await withClient(async (tpm) => {
    await tpm.nvWrite(NV_INDEX, nvData);
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
    ciphertext = wrapFor(publicArea, message);
  });
});

afterAll(() => tpms?.stop());

async function withClient(use: (tpm: NativeTpm) => Promise<void>, commandTimeoutMs = 10_000): Promise<void> {
  const tpm = new NativeTpm({ tcti: tpms.tcti, commandTimeoutMs });
  try {
    await use(tpm);
  } finally {
    await tpm.close();
  }
}

const decrypt = async (tpm: NativeTpm): Promise<void> => {
  const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' } as const;
  expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).toEqual(message);
};

/** Each resolves with the right answer or rejects. */
const operations: Record<string, (tpm: NativeTpm) => Promise<void>> = {
  'decrypt twice': async (tpm) => {
    await decrypt(tpm);
    await decrypt(tpm);
  },
  certify: async (tpm) => {
    await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS });
  },
  evidence: async (tpm) => {
    expect(await tpm.nvRead(NV_INDEX)).toHaveLength(nvData.length);
    await tpm.readPublic(AK_HANDLE);
    await tpm.readPcrs('sha256', PCRS);
    await tpm.quote({ keyHandle: AK_HANDLE, qualifyingData: Buffer.alloc(32), bank: 'sha256', pcrs: PCRS });
  },
};

const code = (responseCode: number): TpmFaultAction => ({ kind: 'error', responseCode });
/** Faults, and whether an operation that meets one must come through. */
const faults: Record<string, { action: TpmFaultAction; times?: number; survives: boolean; commandTimeoutMs?: number }> =
  {
    TPM_RC_RETRY: { action: code(0x922), times: 3, survives: true },
    TPM_RC_YIELDED: { action: code(0x908), survives: true },
    TPM_RC_TESTING: { action: code(0x90a), times: 3, survives: true },
    TPM_RC_NV_RATE: { action: code(0x920), survives: true },
    TPM_RC_OBJECT_MEMORY: { action: code(0x902), times: 3, survives: true },
    TPM_RC_SESSION_MEMORY: { action: code(0x903), times: 3, survives: true },
    TPM_RC_PCR_CHANGED: { action: code(0x128), survives: false },
    TPM_RC_LOCKOUT: { action: code(0x921), survives: false },
    TPM_RC_FAILURE: { action: code(0x101), survives: false },
    'closed connection': { action: { kind: 'drop' }, survives: true },
    'answer cut short': { action: { kind: 'truncate', bytes: 12 }, survives: true },
    'answer cut to nothing': { action: { kind: 'truncate', bytes: 0 }, survives: true },
    'answer that is noise': { action: { kind: 'replace', response: Buffer.alloc(64, 0xff) }, survives: true },
    'bit flipped': { action: { kind: 'corrupt' }, survives: false },
    // Long enough for a key to be generated on a busy machine.
    silence: { action: { kind: 'silence' }, survives: false, commandTimeoutMs: 700 },
  };

describe.each(Object.entries(operations))('%s', (_operation, run) => {
  it.each(Object.entries(faults))('survives %s at every command', { timeout: 120_000 }, async (_fault, fault) => {
    let positions = 0;
    for (let nth = 1; ; nth++) {
      const trace = proxy.trace();
      proxy.injectFault({ nth, action: fault.action, ...(fault.times === undefined ? {} : { times: fault.times }) });
      let failure: NativeError | undefined;
      await withClient(async (tpm) => {
        await run(tpm).catch((error: NativeError) => {
          failure = error;
        });
        const reached = trace.commands.length;
        trace.stop();
        proxy.clearFaults();
        if (reached < nth) {
          positions = nth - 1;
          return;
        }
        if (fault.survives) expect(failure, `at command ${nth}`).toBeUndefined();
        if (failure !== undefined)
          expect(['tpm', 'timeout'], `${failure.message} at command ${nth}`).toContain(failure.kind);
        await decrypt(tpm);
      }, fault.commandTimeoutMs);
      await expect.poll(() => swtpm.loaded(), { timeout: 10_000, message: `left behind at command ${nth}` }).toBe(0);
      if (positions > 0) break;
    }
    expect(positions).toBeGreaterThan(3);
  });
});
