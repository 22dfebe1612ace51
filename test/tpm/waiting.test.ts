import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { ProxiedTpm } from './proxied-tpm.js';
import { AK_HANDLE, PCRS } from './test-tpm.js';

// cpp/core/tpm/retry.h and docs/tpm.md
const PATIENCE_MS = 10_000;
const CLOSING_PATIENCE_MS = 500;
/** For the commands themselves, on a machine that is busy. */
const COMMANDS_MS = 8000;

let tpms: ProxiedTpm;
beforeAll(async () => {
  tpms = await ProxiedTpm.start();
});
afterAll(() => tpms?.stop());

/** Every command is answered TPM_RC_RETRY once before it is carried out, or for ever. */
const retry = (times: number) => tpms.proxy.injectFault({ times, action: { kind: 'error', responseCode: 0x922 } });

describe('a call at a TPM that always asks to come back later', { timeout: 60_000 }, () => {
  it.each([
    ['readPublic', (tpm: NativeTpm) => tpm.readPublic(AK_HANDLE)],
    ['certifyEphemeralKey', (tpm: NativeTpm) => tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS })],
  ])('waits for 10 s and then fails with its code: %s', async (_name, call) => {
    const tpm = new NativeTpm({ tcti: tpms.tcti });
    retry(1_000_000);
    const start = performance.now();
    await expect(call(tpm)).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x922 });
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(PATIENCE_MS * 0.9);
    expect(took).toBeLessThan(PATIENCE_MS + COMMANDS_MS);
    const closing = performance.now();
    await tpm.close();
    expect(performance.now() - closing).toBeLessThan(CLOSING_PATIENCE_MS + COMMANDS_MS);
    tpms.proxy.clearFaults();
  });

  it('waits for all of its commands together no longer than for one', async () => {
    const tpm = new NativeTpm({ tcti: tpms.tcti });
    // The first command eats half of the patience; what is left must do for all that follow.
    retry(20);
    const start = performance.now();
    await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS }).catch(() => {});
    expect(performance.now() - start).toBeLessThan(PATIENCE_MS + COMMANDS_MS);
    tpms.proxy.clearFaults();
    await tpm.close();
  });
});
