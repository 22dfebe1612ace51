import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, type Outcome, scratchFolder, variablesOf } from './cli.js';

/** What the tests of one file run the command on: a simulated guest, and a token that it got with the nonce `n1`. */
export interface Guest {
  cvm: SimulatedCvm;
  /** Makes the command take the guest for its own machine. */
  env: Record<string, string>;
  /** A file. */
  token: string;
  scratch(name: string): string;
  run(args: string[], input?: string | Uint8Array): Promise<Outcome>;
}

/** The guest of a test file, up from its first test to its last; nothing may be left in its TPM then. */
export function simulatedGuest(): Guest {
  const scratch = scratchFolder();
  const guest = {
    scratch,
    token: scratch('token.jwt'),
    run: (args, input) => cvmAttest(args, { env: guest.env, ...(input === undefined ? {} : { input }) }),
  } as Guest;
  beforeAll(async () => {
    guest.cvm = await SimulatedCvm.start();
    guest.env = await variablesOf(guest.cvm);
    const { attestationUrl } = guest.cvm;
    await using client = guest.cvm.client();
    writeFileSync(guest.token, await client.attest({ attestationUrl, clientPayload: { nonce: 'n1' } }));
  });
  afterAll(async () => {
    expect(await guest.cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
    await guest.cvm.stop();
  });
  return guest;
}
