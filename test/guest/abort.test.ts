import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { attestationPaths, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm, { retry: { baseDelayMs: 60_000, maxDelayMs: 60_000 } });
});
afterEach(() => {
  cvm.imds.clearBehaviours();
  cvm.attestation.clearBehaviours();
  cvm.tpm.clearFaults();
});
afterAll(async () => {
  await client?.close();
  expect(await cvm?.loadedHandles()).toEqual({ transient: [], sessions: [] });
  await cvm?.stop();
});

const attest = (signal?: AbortSignal) =>
  client.attest({ attestationUrl: cvm.attestationUrl }, { ...(signal && { signal }) });
const aborted = expect.objectContaining({ name: 'AbortError' });

/** Aborts a call that would not end within the test's time, and expects that it ends and the next one works. */
async function isAborted(call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const reason = new Error('the caller has had enough');
  const controller = new AbortController();
  const outcome = call(controller.signal);
  setTimeout(() => controller.abort(reason), 150);
  await expect(outcome).rejects.toMatchObject({ name: 'AbortError', cause: reason });
  cvm.imds.clearBehaviours();
  cvm.attestation.clearBehaviours();
  cvm.tpm.clearFaults();
  expect(await attest()).toMatch(/^ey/);
}

describe('an abort', () => {
  it('before the call ends it before anything is done', async () => {
    const trace = cvm.trace();
    const signal = AbortSignal.abort();
    await expect(attest(signal)).rejects.toThrow(aborted);
    await expect(client.getEvidence({ signal })).rejects.toThrow(aborted);
    await expect(client.decrypt(randomBytes(256), { type: 'None', signal })).rejects.toThrow(aborted);
    expect(trace.stop()).toEqual([]);
  });

  it('ends a wait for the metadata service', async () => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'hang' });
    await isAborted(attest);
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'hang' });
    await isAborted((signal) => client.getEvidence({ signal }));
  });

  it('ends a wait for the attestation service', async () => {
    cvm.attestation.respond(attestationPaths.guest, { kind: 'hang-after-headers' });
    await isAborted(attest);
  });

  it('ends a wait before a repetition', async () => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 404 });
    await isAborted(attest);
    cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', status: 503 });
    await isAborted(attest);
  });

  it.each(['NV_Read', 'Quote', 'Certify', 'RSA_Decrypt'] as const)(
    'ends an attest while the TPM is at its %s',
    async (command) => {
      cvm.tpm.injectFault({ command, action: { kind: 'delay', ms: 600 } });
      await isAborted(attest);
    },
  );

  it('takes queued decryptions out of the queue', async () => {
    const { encryptedData } = await client.encrypt(await attest(), Buffer.from('x'), { type: 'None' });
    await client.decrypt(encryptedData, { type: 'None' });
    const controller = new AbortController();
    cvm.tpm.injectFault({ command: 'RSA_Decrypt', action: { kind: 'delay', ms: 2_000 } });
    const trace = cvm.trace();
    const options = { type: 'None', signal: controller.signal } as const;
    const calls = Array.from({ length: 50 }, () => client.decrypt(encryptedData, options));
    const outcomes = Promise.allSettled(calls);
    setTimeout(() => controller.abort(), 50);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
    }
    expect((await client.decrypt(encryptedData, { type: 'None' })).toString()).toBe('x');
    trace.stop();
    expect(trace.counts().RSA_Decrypt).toBeLessThanOrEqual(3);
  });

  it('needs a signal: 8 for anything else', async () => {
    await expect(attest({ aborted: false } as AbortSignal)).rejects.toMatchObject({ code: 8 });
  });

  it('by a timeout of the caller is an AbortError too', async () => {
    cvm.attestation.respond(attestationPaths.guest, { kind: 'hang' });
    await expect(attest(AbortSignal.timeout(200))).rejects.toMatchObject({
      name: 'AbortError',
      cause: expect.objectContaining({ name: 'TimeoutError' }),
    });
  });

  it('leaves no listener on a signal that lives on', async () => {
    const { signal } = new AbortController();
    await attest(signal);
    await client.getEvidence({ signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
