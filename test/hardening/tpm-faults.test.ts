import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TpmFaultAction } from '../../lib/simulator/index.js';
import { exhaustive, Tally } from './tally.js';
import { Guest, nameOf, type Operation, operations, outcomeOf } from './tpm-operations.js';

// What the TPM's end of the connection can do wrong, at every TPM command of attest, decrypt and getEvidence: done by the
// simulated paravisor, so that tpm2-tss's own TCTI meets it first. Everything else: tcti-faults.test.ts.

const tally = new Tally('TPM');

let guest: Guest;

beforeAll(async () => {
  guest = await Guest.start();
});
afterEach(() => guest.cvm.tpm.clearFaults());
afterAll(async () => {
  await guest?.[Symbol.asyncDispose]();
  console.log(String(tally));
});

interface Fault {
  action: TpmFaultAction;
  /** The documented behaviour is to come through. */
  survives?: true;
  tpmTimeoutMs?: number;
}

const faults: Record<string, Fault> = {
  'connection dropped': { action: { kind: 'drop' }, survives: true },
  'response cut short, then dropped': { action: { kind: 'truncate', bytes: 12 }, survives: true },
  'response of noise': { action: { kind: 'replace', response: Buffer.alloc(64, 0xff) }, survives: true },
  'response of 4 GiB announced': {
    action: { kind: 'replace', response: Buffer.from('8001fffffff000000000', 'hex') },
    survives: true,
  },
  'silence for ever': { action: { kind: 'silence' }, tpmTimeoutMs: 2_000 },
};

/** Faults at one position of an operation: at every one when exhaustive, else each fault at a few of them. */
function strikes(position: number, commands: number, fault: number, slow: boolean): boolean {
  return exhaustive || (position + fault) % Math.min(slow ? 13 : 8, commands) === 0;
}

/** How many commands an operation of a new client takes. */
async function commandsOf({ run }: Operation): Promise<number> {
  const trace = guest.cvm.trace();
  await using client = guest.client();
  await run(client, guest);
  return trace.stop().length;
}

describe.each(Object.entries(operations))('%s', (name, operation) => {
  it.each(Object.entries(faults).map(([fault, details], index) => ({ fault, index, ...details })))(
    'ends well after $fault at any command',
    { timeout: exhaustive ? 900_000 : 240_000 },
    async ({ fault, index, action, survives, tpmTimeoutMs }) => {
      const commands = await commandsOf(operation);
      expect(commands).toBeGreaterThan(3);
      for (let position = 1; position <= commands; position++) {
        if (!strikes(position, commands, index, tpmTimeoutMs !== undefined)) continue;
        const client = guest.client(tpmTimeoutMs === undefined ? {} : { tpmTimeoutMs });
        try {
          guest.cvm.tpm.injectFault({ nth: position, action });
          const outcome = await outcomeOf(operation.run(client, guest));
          guest.cvm.tpm.clearFaults();
          const where = `${fault} at command ${position}`;
          if (survives) expect(outcome, where).toBe('survived');
          if (outcome !== 'survived') expect(operation.codes, `${outcome.message}: ${where}`).toContain(outcome.code);
          tally.count(fault, nameOf(name, outcome));
          await operation.run(client, guest);
        } finally {
          await client.close();
        }
        await guest.expectNothingLoaded(`after ${fault} at command ${position}`);
      }
    },
  );
});

describe('a TPM that is restarted in the middle', () => {
  it.each(Object.entries(operations))(
    'of %s: the same client recovers by itself',
    { timeout: exhaustive ? 900_000 : 240_000 },
    async (name, operation) => {
      const commands = await commandsOf(operation);
      for (let position = 1; position <= commands; position++) {
        if (!strikes(position, commands, 0, true)) continue;
        await using client = guest.client();
        let restarted = Promise.resolve();
        const run = () => {
          restarted = guest.cvm.reboot();
          return restarted;
        };
        guest.cvm.tpm.injectFault({ nth: position, action: { kind: 'before', run } });
        const outcome = await outcomeOf(operation.run(client, guest));
        await restarted;
        // A quote across a restart matches no event log: the service may say so.
        if (outcome !== 'survived') expect([...operation.codes, 6], outcome.message).toContain(outcome.code);
        tally.count('TPM restarted', nameOf(name, outcome));
        // What was sealed to the boot before is gone with its key.
        await guest.seal(client);
        await operation.run(client, guest);
      }
    },
  );

  it('between the calls: the same client recovers by itself', async () => {
    await using client = guest.client();
    for (let i = 0; i < (exhaustive ? 10 : 2); i++) {
      await guest.seal(client);
      await operations.decrypt?.run(client, guest);
      await guest.cvm.reboot();
      await expect(operations.decrypt?.run(client, guest)).rejects.toMatchObject({ code: 26 });
      tally.count('TPM restarted', 'decrypt code 26');
    }
  });
});
