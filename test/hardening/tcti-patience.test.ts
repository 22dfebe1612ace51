import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AttestationError } from '../../lib/index.js';
import { FaultyTcti } from './faulty-tcti.js';
import { endsWithin, exhaustive, Tally } from './tally.js';
import { Guest, nameOf, type Operation, operations, outcomeOf, spread } from './tpm-operations.js';

// Faults that last longer than the client's patience. In full: a minute of silence at every command under the default
// limit of 30 s, and TPMs that are not ready for longer than the ten seconds for which they are asked again. Every guest
// waits by itself, so that the wait is that of a few rounds.

const tally = new Tally('Patience');
const limit = exhaustive ? 30_000 : 1_500;
const silence = 2 * limit;
/** Longest wait for a call that should end at the limit. */
const patience = limit + 12_000;
const guests: Guest[] = [];
let faulty: FaultyTcti;

beforeAll(async () => {
  faulty = await FaultyTcti.build();
  for (let i = 0; i < (exhaustive ? 24 : 4); i++) guests.push(await Guest.start());
}, 120_000);
afterAll(async () => {
  await Promise.all(guests.map((guest) => guest[Symbol.asyncDispose]()));
  await faulty?.[Symbol.asyncDispose]();
  console.log(String(tally));
});

interface Case {
  name: string;
  operation: Operation;
  nth: number;
  /** The command is the operation's own, not that of the close after it. */
  inCall: boolean;
  /**
   * It comes after the evidence of attest(), which survives its failure: what the TPM does while the service is at work is
   * done again, and for a key that is lost with the connection there is a second attestation.
   */
  spare: boolean;
}

/** Every command of every operation and of the close after it; a few of them in the ordinary test run. */
async function allCommands(): Promise<Case[]> {
  const [guest] = guests as [Guest];
  const cases: Case[] = [];
  for (const [name, operation] of Object.entries(operations)) {
    const connection = faulty.before(guest.cvm.tcti);
    const client = guest.client({ tcti: connection.tcti });
    const trace = guest.cvm.trace();
    await operation.run(client, guest);
    const inCall = connection.counts.commands;
    await client.close();
    const commands = trace.stop().map((command) => command.name);
    expect(commands).toHaveLength(connection.counts.commands);
    const evidence = Math.max(...['NV_Read', 'Quote', 'Certify'].map((command) => commands.lastIndexOf(command)));
    for (const i of commands.keys()) {
      cases.push({ name, operation, nth: i + 1, inCall: i < inCall, spare: name === 'attest' && i > evidence });
    }
  }
  return cases;
}

/** Those of a close are few and not alike: all of them. */
const some = (cases: Case[], every: number): Case[] =>
  exhaustive ? cases : cases.filter(({ inCall }, i) => !inCall || i % every === 0);

/** When something had happened, by performance.now(). */
async function until(happened: () => boolean): Promise<number> {
  while (!happened()) await sleep(20);
  return performance.now();
}

it('survives silence at any command', { timeout: 900_000 }, async () => {
  const fault = `delay:${silence}`;
  await spread(guests, some(await allCommands(), 16), async (guest, { name, operation, nth, inCall, spare }) => {
    const where = `silence at command ${nth} of ${name}`;
    const connection = faulty.before(guest.cvm.tcti, { fault, nth });
    await using client = guest.client({ tcti: connection.tcti, ...(!exhaustive && { tpmTimeoutMs: limit }) });
    const began = performance.now();
    const silent = until(() => connection.counts.struck > 0);
    if (inCall) {
      const outcome = await outcomeOf(operation.run(client, guest), patience / 1000);
      const waited = performance.now() - began;
      if (spare) expect(outcome, where).toBe('survived');
      else {
        expect(outcome, where).toBeInstanceOf(AttestationError);
        const { code, message } = outcome as AttestationError;
        expect(operation.codes, `${message}: ${where}`).toContain(code);
      }
      expect(waited, where).toBeGreaterThan(limit);
      tally.count(`${silence / 1000} s of silence`, nameOf(name, outcome));
    }
    // At once, though the TPM is still silent on the connection before.
    await operation.run(client, guest);
    await endsWithin(patience / 1000, client.close());
    expect(connection.counts.struck, where).toBe(1);
    if (!inCall) tally.count(`${silence / 1000} s of silence`, `closed after ${name}`);
    // The thread that was given up then sends its command, and puts in order what comes of it. Nobody may come in between:
    // by its tcti, this client is not one of the next one's process.
    await sleep(Math.max(0, (await silent) + silence + 500 - performance.now()));
    await guest.expectNothingLoaded(`after ${where}`);
  });
});

const unready = [
  ['TPM_RC_RETRY', 'answer:0x922'],
  ['TPM_RC_OBJECT_MEMORY', 'answer:0x902'],
] as const;
it.each(exhaustive ? unready : unready.slice(0, 1))(
  'gives up on %s for longer than 10 s at any command, and works on',
  { timeout: 900_000 },
  async (what, fault) => {
    const commands = (await allCommands()).filter(({ inCall }) => inCall);
    await spread(guests, some(commands, 18), async (guest, { name, operation, nth }) => {
      const where = `${what} from command ${nth} of ${name} on`;
      // Pauses of 1, 2, 4 … 250 ms: after 46 answers the ten seconds are over.
      const connection = faulty.before(guest.cvm.tcti, { fault, nth, times: 50 });
      await using client = guest.client({ tcti: connection.tcti });
      const outcome = await outcomeOf(operation.run(client, guest), 30);
      if (outcome !== 'survived') expect(operation.codes, `${outcome.message}: ${where}`).toContain(outcome.code);
      await operation.run(client, guest);
      await client.close();
      expect(connection.counts.struck, where).toBe(50);
      tally.count(`${what} for 10 s`, nameOf(name, outcome));
      await guest.expectNothingLoaded(`after ${where}`);
    });
  },
);
