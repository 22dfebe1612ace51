import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationEvent } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

/** Worker threads run what is built, as an installed package does. */
const distEntry = new URL('../../dist/index.js', import.meta.url).href;

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterAll(() => cvm?.stop());

describe('several clients on one TPM', () => {
  it('attest and decrypt at the same time, and leave nothing behind', async () => {
    const clients = Array.from({ length: 4 }, () => clientOf(cvm));
    await Promise.all(
      clients.map(async (client) => {
        for (let round = 0; round < 3; round++) {
          const nonce = randomBytes(8).toString('hex');
          const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce } });
          const data = randomBytes(100);
          const { encryptedData } = await client.encrypt(token, data, { type: 'None' });
          expect(await client.decrypt(encryptedData, { type: 'None' })).toEqual(data);
        }
      }),
    );
    await Promise.all(clients.map((client) => client.close()));
    expect(await cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
  });

  it('have one key: what is encrypted for one, the other decrypts', async () => {
    await using first = clientOf(cvm);
    await using second = clientOf(cvm);
    const token = await first.attest({ attestationUrl: cvm.attestationUrl });
    const { encryptedData } = await first.encrypt(token, Buffer.from('x'), { type: 'None' });
    expect((await second.decrypt(encryptedData, { type: 'None' })).toString()).toBe('x');
  });
});

describe('diagnostics', () => {
  it('publish how each operation went, and no more', async () => {
    const events: OperationEvent[] = [];
    const note = (event: unknown) => events.push(event as OperationEvent);
    const names = ['attest', 'encrypt', 'decrypt', 'evidence'].map((name) => `cvm-guest-attestation:${name}`);
    for (const name of names) subscribe(name, note);
    try {
      await using client = clientOf(cvm);
      const token = await client.attest({ attestationUrl: cvm.attestationUrl });
      await client.encrypt(token, Buffer.from('x'), { type: 'None' });
      await client.decrypt(randomBytes(7), { type: 'None' }).catch(() => {});
      await client.getEvidence();
      await client.getEvidence({ signal: AbortSignal.abort() }).catch(() => {});
    } finally {
      for (const name of names) unsubscribe(name, note);
    }
    const durationMs = expect.any(Number);
    expect(events).toEqual([
      { operation: 'attest', durationMs, ok: true },
      { operation: 'encrypt', durationMs, ok: true },
      { operation: 'decrypt', durationMs, ok: false, code: 26, tpmErrorCode: 0 },
      { operation: 'evidence', durationMs, ok: true },
      { operation: 'evidence', durationMs, ok: false },
    ]);
  });
});

describe('a client', () => {
  it('shows neither token nor secret, when printed, logged or failing', async () => {
    const log: string[] = [];
    const add = (message: string) => log.push(message);
    await using client = clientOf(cvm, { logger: { debug: add, info: add, warn: add, error: add } });
    const secret = 'swordfish-of-the-client';
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: secret } });
    const { encryptedData } = await client.encrypt(token, Buffer.from(secret), { type: 'None' });
    await client.decrypt(encryptedData, { type: 'None' });
    const errors = await Promise.all(
      [
        client.encrypt(`${token}.x`, Buffer.from(secret)),
        client.encrypt(token.slice(0, -400), Buffer.from(secret.repeat(20)), { type: 'None' }),
        client.decrypt(encryptedData, { type: 'None', scheme: 'RSAES' }),
        client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: `{"nonce":"${secret}"` }),
      ].map((call) =>
        call.then(
          () => 'no error',
          (error: unknown) => error,
        ),
      ),
    );
    const texts = [
      inspect(client, { depth: 9, showHidden: true }),
      JSON.stringify(client),
      ...log,
      ...errors.map((e) => inspect(e, { depth: 9 })),
    ];
    const [, payload = '', signature = ''] = token.split('.');
    for (const text of texts) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(payload.slice(0, 40));
      expect(text).not.toContain(signature.slice(0, 40));
    }
  });

  it('keeps a process alive only while calls are in progress', async () => {
    // A client that is never closed must not hold up the end of a worker thread, which has the same event loop rules.
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       import(workerData.entry).then(async ({ AttestationClient }) => {
         const client = new AttestationClient(workerData.options);
         const evidence = await client.getEvidence({ certificates: false });
         require('node:worker_threads').parentPort.postMessage(Object.keys(evidence));
       });`,
      { eval: true, workerData: { entry: distEntry, options: { tcti: cvm.tcti, eventLogPath: cvm.eventLogPath } } },
    );
    const message = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    expect(await message).toContain('quote');
    expect(await exit).toBe(0);
    expect(await cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
  });
});
