import { expect } from 'vitest';
import {
  type AttestationClient,
  type AttestationClientOptions,
  AttestationError,
  type EncryptResult,
  encrypt,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { endsWithin } from './tally.js';

const message = Buffer.from('sealed for this machine only');

/** A simulated guest, and data under the key of its current boot. */
export class Guest implements AsyncDisposable {
  sealed!: EncryptResult;

  private constructor(readonly cvm: SimulatedCvm) {}

  static async start(): Promise<Guest> {
    const guest = new Guest(await SimulatedCvm.start());
    await using client = guest.client();
    await guest.seal(client);
    return guest;
  }

  /** After a reboot, too: the key of the boot before is gone, and what was sealed to it. */
  async seal(client: AttestationClient): Promise<void> {
    this.sealed = await encrypt(await client.attest({ attestationUrl: this.cvm.attestationUrl }), message);
  }

  client(options: AttestationClientOptions = {}): AttestationClient {
    return clientOf(this.cvm, options);
  }

  async expectNothingLoaded(when: string): Promise<void> {
    await expect
      .poll(() => this.cvm.loadedHandles(), { timeout: 10_000, message: `left behind ${when}` })
      .toEqual({ transient: [], sessions: [] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cvm.stop();
  }
}

export interface Operation {
  /** Resolves with the right answer, and with nothing else. */
  run(client: AttestationClient, guest: Guest): Promise<void>;
  /** Codes that the documentation has for a TPM that fails. */
  codes: number[];
  /** Further codes for a TPM that answers with wrong bytes instead of failing. */
  corrupted: number[];
}

export const operations: Record<string, Operation> = {
  attest: {
    run: async (client, { cvm }) => {
      expect(await client.attest({ attestationUrl: cvm.attestationUrl })).toMatch(/^ey/);
    },
    codes: [13, 15],
    corrupted: [6, 9, 14, 20, 21, 29],
  },
  decrypt: {
    run: async (client, { sealed }) => {
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

/** How an operation ended; any other error than the library's own is thrown, and so is a hang. */
export async function outcomeOf(call: Promise<void>, seconds = 60): Promise<'survived' | AttestationError> {
  try {
    await endsWithin(seconds, call);
    return 'survived';
  } catch (error) {
    if (error instanceof AttestationError) return error;
    throw error;
  }
}

/** An outcome as the table at the end has it. */
export function nameOf(operation: string, outcome: 'survived' | AttestationError): string {
  return `${operation} ${outcome === 'survived' ? outcome : `code ${outcome.code}`}`;
}

/** Does `work` for every item, each guest taking the next one when it is free. Ends at once after a failure. */
export async function spread<T extends {}>(
  guests: readonly Guest[],
  items: Iterable<T>,
  work: (guest: Guest, item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const lanes = guests.map(async (guest) => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(guest, item);
    } finally {
      queue.length = 0;
    }
  });
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === 'rejected') throw lane.reason;
  }
}
