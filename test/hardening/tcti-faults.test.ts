import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultyTcti } from './faulty-tcti.js';
import { exhaustive, Tally } from './tally.js';
import { Guest, nameOf, operations, outcomeOf, spread } from './tpm-operations.js';

// Whatever a TPM, its driver and its bus can answer, at every TPM command of attest, decrypt and getEvidence and of the
// client's close: by a TCTI of our own between tpm2-tss and the TPM. The TPM's end of the connection: tpm-faults.test.ts.

const tally = new Tally('TCTI');
const guests: Guest[] = [];
let faulty: FaultyTcti;

beforeAll(async () => {
  faulty = await FaultyTcti.build();
  guests.push(...(await Promise.all([1, 2, 3].map(() => Guest.start()))));
});
afterAll(async () => {
  await Promise.all(guests.map((guest) => guest[Symbol.asyncDispose]()));
  await faulty?.[Symbol.asyncDispose]();
  console.log(String(tally));
});

interface Fault {
  /** As cpp/test/tcti/fault_plan.h has it. */
  fault: string;
  /** The documented behaviour is to come through. */
  survives?: true;
  /** The TPM's own code, which the error must name where the call fails. */
  answers?: number;
  /** Wrong bytes may get as far as the service, or the data. */
  corrupts?: true;
  /** Not at the client's close: a TPM that cannot be reached then, or says that nothing is there, keeps what it has. */
  notAtClose?: true;
}

const answer = (code: number): Fault => ({ fault: `answer:${code}`, answers: code });
const survived = (fault: string): Fault => ({ fault, survives: true });
const corrupted = (fault: string): Fault => ({ fault, corrupts: true });

const responseCodes: Record<string, Fault> = {
  TPM_RC_RETRY: survived('answer:0x922'),
  TPM_RC_TESTING: survived('answer:0x90a'),
  TPM_RC_OBJECT_MEMORY: survived('answer:0x902'),
  TPM_RC_SESSION_MEMORY: survived('answer:0x903'),
  TPM_RC_PCR_CHANGED: answer(0x128),
  TPM_RC_LOCKOUT: answer(0x921),
  TPM_RC_FAILURE: answer(0x101),
  TPM_RC_HANDLE: { fault: 'answer:0x18b', notAtClose: true },
  TPM_RC_REFERENCE_S0: { fault: 'answer:0x918', notAtClose: true },
  'a code of no TPM': survived('answer:1'),
};
const tctiCodes: Record<string, Fault> = {
  'GENERAL_FAILURE from transmit': survived('transmit:0xa0001'),
  'NO_CONNECTION from transmit': survived('transmit:0xa0008'),
  'TRY_AGAIN from transmit': survived('transmit:0xa0009'),
  'IO_ERROR from transmit': survived('transmit:0xa000a'),
  'GENERAL_FAILURE from receive': survived('receive:0xa0001'),
  'INSUFFICIENT_BUFFER from receive': survived('receive:0xa0006'),
  'NO_CONNECTION from receive': survived('receive:0xa0008'),
  'TRY_AGAIN from receive': survived('receive:0xa0009'),
  'IO_ERROR from receive': survived('receive:0xa000a'),
  'MALFORMED_RESPONSE from receive': survived('receive:0xa0011'),
};
const malformedAnswers: Record<string, Fault> = {
  'nothing received': survived('cut:0'),
  'a header cut short': survived('cut:9'),
  'an answer cut short': survived('cut:12'),
  'less announced than received': survived('announce:10'),
  '4 GiB announced': survived('announce:0xffffffff'),
  '0 bytes reported': survived('report:0'),
  '4 GiB reported': survived('report:0xffffffff'),
  '4 GiB of room asked for': survived('query:0xffffffff'),
  'bit flipped in the tag': survived('flip:1'),
  'bit flipped in the code': survived('flip:9'),
  'code turned into another TPM code': corrupted('flip:8'),
  'bit flipped in the handle': corrupted('flip:11'),
  'bit flipped in the first parameter': corrupted('flip:13'),
  'bit flipped in the middle': corrupted('flip:24'),
  'bit flipped in the last byte': corrupted('flip:-1'),
};
const connections: Record<string, Fault> = {
  'connection dropped': survived('drop:0'),
  'connection dropped, opened at the fourth attempt': { fault: 'drop:3', survives: true, notAtClose: true },
  'connection dropped, not opened in five attempts': { fault: 'drop:5', notAtClose: true },
  'an answer 300 ms late': survived('delay:300'),
};
const faults = { ...responseCodes, ...tctiCodes, ...malformedAnswers, ...connections };

/** How many commands a new client sends for an operation, and how many together with its close. */
async function commandsOf({ run }: (typeof operations)[string]): Promise<{ inCall: number; withClose: number }> {
  const [guest] = guests as [Guest];
  const connection = faulty.before(guest.cvm.tcti);
  await using client = guest.client({ tcti: connection.tcti });
  await run(client, guest);
  const inCall = connection.counts.commands;
  await client.close();
  return { inCall, withClose: connection.counts.commands };
}

describe.each(Object.entries(operations))('%s', (name, operation) => {
  let commands: { inCall: number; withClose: number };
  beforeAll(async () => {
    commands = await commandsOf(operation);
    expect(commands.inCall).toBeGreaterThan(10);
    expect(commands.withClose).toBeGreaterThan(commands.inCall);
  });

  it.each(Object.entries(faults).map(([what, fault], index) => ({ what, index, ...fault })))(
    'ends well after $what at any command',
    { timeout: exhaustive ? 600_000 : 120_000 },
    async ({ what, index, fault, survives, answers, corrupts, notAtClose }) => {
      const last = notAtClose ? commands.inCall : commands.withClose;
      const positions = Array.from({ length: last }, (_, i) => i + 1);
      // The ordinary test run takes one position or two a fault, the next fault the next ones.
      const chosen = positions.filter((nth) => exhaustive || (nth + index) % Math.min(last, 20) === 0);
      await spread(guests, chosen, async (guest, nth) => {
        const where = `${what} at command ${nth}`;
        const connection = faulty.before(guest.cvm.tcti, { fault, nth });
        await using client = guest.client({ tcti: connection.tcti });
        const outcome = await outcomeOf(operation.run(client, guest));
        if (survives) expect(outcome, where).toBe('survived');
        if (outcome !== 'survived') {
          const codes = corrupts ? [...operation.codes, ...operation.corrupted] : operation.codes;
          expect(codes, `${outcome.message}: ${where}`).toContain(outcome.code);
          // A decrypt does not say why the TPM refused.
          if (answers !== undefined && outcome.code === 13) expect(outcome.tpmErrorCode, where).toBe(answers);
        }
        if (nth <= commands.inCall) await operation.run(client, guest);
        await client.close();
        expect(connection.counts.struck, where).toBe(1);
        tally.count(what, nameOf(name, outcome));
        await guest.expectNothingLoaded(`after ${where}`);
      });
    },
  );
});
