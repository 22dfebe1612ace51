import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, AttestationError, type EncryptResult, encrypt } from '../../lib/index.js';
import { SimulatedCvm, type TpmFaultAction } from '../../lib/simulator/index.js';
import { clientOf } from '../client/client.js';
import { endsWithin, exhaustive, Tally } from './tally.js';

// Every fault at every TPM command of attest, decrypt and getEvidence, through the public API. The faults come from the
// simulated paravisor, which stands between tpm2-tss and the software TPM and so does what a TCTI of one's own would.

const message = Buffer.from('sealed for this machine only');
const tally = new Tally('TPM');

let cvm: SimulatedCvm;
let sealed: EncryptResult;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  sealed = await sealToThisBoot();
});
afterEach(() => cvm.tpm.clearFaults());
afterAll(async () => {
  await cvm?.stop();
  console.log(String(tally));
});

/** Data under the key of the current boot. */
async function sealToThisBoot(): Promise<EncryptResult> {
  await using client = clientOf(cvm);
  return encrypt(await client.attest({ attestationUrl: cvm.attestationUrl }), message);
}

interface Operation {
  /** Resolves with the right answer, and with nothing else. */
  run(client: AttestationClient): Promise<void>;
  /** Codes that the documentation has for a TPM that fails. */
  codes: number[];
  /** Further codes for a TPM that answers with wrong bytes instead of failing. */
  corrupted: number[];
}

const operations: Record<string, Operation> = {
  attest: {
    run: async (client) => {
      expect(await client.attest({ attestationUrl: cvm.attestationUrl })).toMatch(/^ey/);
    },
    codes: [13, 15],
    corrupted: [6, 9, 14, 20, 21, 29],
  },
  decrypt: {
    run: async (client) => {
      const { encryptedData, encryptionMetadata } = sealed;
      expect(await client.decrypt(encryptedData, { encryptionMetadata })).toEqual(message);
    },
    codes: [26],
    corrupted: [],
  },
  getEvidence: {
    run: async (client) => {
      const evidence = await client.getEvidence({ nonce: Buffer.alloc(32, 1) });
      expect(evidence.quote?.message.length).toBeGreaterThan(100);
    },
    codes: [13],
    corrupted: [9, 20, 21],
  },
};

interface Fault {
  action: TpmFaultAction;
  /** The documented behaviour is to come through. */
  survives?: true;
  corrupts?: true;
  tpmTimeoutMs?: number;
}

const answer = (responseCode: number): TpmFaultAction => ({ kind: 'error', responseCode });
const faults: Record<string, Fault> = {
  TPM_RC_RETRY: { action: answer(0x922), survives: true },
  TPM_RC_YIELDED: { action: answer(0x908), survives: true },
  TPM_RC_TESTING: { action: answer(0x90a), survives: true },
  TPM_RC_OBJECT_MEMORY: { action: answer(0x902), survives: true },
  TPM_RC_SESSION_MEMORY: { action: answer(0x903), survives: true },
  TPM_RC_PCR_CHANGED: { action: answer(0x128) },
  TPM_RC_LOCKOUT: { action: answer(0x921) },
  TPM_RC_FAILURE: { action: answer(0x101) },
  'response code out of range': { action: answer(0xffff_ffff) },
  'connection dropped': { action: { kind: 'drop' }, survives: true },
  'response cut short': { action: { kind: 'truncate', bytes: 12 }, survives: true },
  'response of noise': { action: { kind: 'replace', response: Buffer.alloc(64, 0xff) }, survives: true },
  'response of 4 GiB announced': {
    action: { kind: 'replace', response: Buffer.from('8001fffffff000000000', 'hex') },
    survives: true,
  },
  'bit flipped in the response': { action: { kind: 'corrupt' }, corrupts: true },
  silence: { action: { kind: 'silence' }, tpmTimeoutMs: 2_000 },
};

/** Faults at one position of an operation: at every one when exhaustive, else each fault at a few of them. */
function strikes(position: number, commands: number, fault: number, slow: boolean): boolean {
  return exhaustive || (position + fault) % Math.min(slow ? 13 : 8, commands) === 0;
}

async function outcomeOf(call: Promise<void>): Promise<'survived' | AttestationError> {
  try {
    await endsWithin(60, call);
    return 'survived';
  } catch (error) {
    if (error instanceof AttestationError) return error;
    throw error;
  }
}

async function nothingIsLeft(position: number): Promise<void> {
  await expect
    .poll(() => cvm.loadedHandles(), { timeout: 10_000, message: `left behind after a fault at command ${position}` })
    .toEqual({ transient: [], sessions: [] });
}

/** How many commands an operation of a new client takes. */
async function commandsOf({ run }: Operation): Promise<number> {
  const trace = cvm.trace();
  await using client = clientOf(cvm);
  await run(client);
  return trace.stop().length;
}

describe.each(Object.entries(operations))('%s', (name, operation) => {
  it.each(Object.entries(faults).map(([fault, details], index) => ({ fault, index, ...details })))(
    'ends well after $fault at any command',
    { timeout: exhaustive ? 900_000 : 240_000 },
    async ({ fault, index, action, survives, corrupts, tpmTimeoutMs }) => {
      const commands = await commandsOf(operation);
      expect(commands).toBeGreaterThan(3);
      for (let position = 1; position <= commands; position++) {
        if (!strikes(position, commands, index, tpmTimeoutMs !== undefined)) continue;
        const client = clientOf(cvm, tpmTimeoutMs === undefined ? {} : { tpmTimeoutMs });
        try {
          cvm.tpm.injectFault({ nth: position, action });
          const outcome = await outcomeOf(operation.run(client));
          cvm.tpm.clearFaults();
          const where = `${fault} at command ${position}`;
          if (survives) expect(outcome, where).toBe('survived');
          if (outcome !== 'survived') {
            const codes = corrupts ? [...operation.codes, ...operation.corrupted] : operation.codes;
            expect(codes, `${outcome.message}: ${where}`).toContain(outcome.code);
          }
          tally.count(fault, `${name} ${outcome === 'survived' ? outcome : `code ${outcome.code}`}`);
          await operation.run(client);
        } finally {
          await client.close();
        }
        await nothingIsLeft(position);
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
        await using client = clientOf(cvm);
        let restarted = Promise.resolve();
        const run = () => {
          restarted = cvm.reboot();
          return restarted;
        };
        cvm.tpm.injectFault({ nth: position, action: { kind: 'before', run } });
        const outcome = await outcomeOf(operation.run(client));
        await restarted;
        // A quote across a restart matches no event log: the service may say so.
        if (outcome !== 'survived') expect([...operation.codes, 6], outcome.message).toContain(outcome.code);
        tally.count('TPM restarted', `${name} ${outcome === 'survived' ? outcome : `code ${outcome.code}`}`);
        // What was sealed to the boot before is gone with its key.
        const token = await client.attest({ attestationUrl: cvm.attestationUrl });
        sealed = await encrypt(token, message);
        await operation.run(client);
      }
    },
  );

  it('between the calls: the same client recovers by itself', async () => {
    await using client = clientOf(cvm);
    for (let i = 0; i < (exhaustive ? 10 : 2); i++) {
      sealed = await encrypt(await client.attest({ attestationUrl: cvm.attestationUrl }), message);
      await operations.decrypt?.run(client);
      await cvm.reboot();
      await expect(operations.decrypt?.run(client)).rejects.toMatchObject({ code: 26 });
      tally.count('TPM restarted', 'decrypt code 26');
    }
  });
});
