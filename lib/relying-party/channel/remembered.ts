import { createHash } from 'node:crypto';
import type { ChannelRole } from './protocol.js';

/** What was proven about a machine, and until when that may be relied on. */
export interface RememberedMachine<T> {
  attestation: T;
  /** Milliseconds of the monotonic clock. */
  until: number;
}

const MAX_ENTRIES = 10_000;

/** Which machine, under which demands: a change of any of them is another entry. */
export interface MachineIdentity {
  role: ChannelRole;
  /** Host and port that were dialled; absent for a client. */
  authority?: string;
  spkiSha256: Uint8Array;
  /** SHA-256 of policy and options, see {@link PeerVerifier}. */
  demands: string;
}

/**
 * Machines that were verified, in this process's memory only. An entry replaces the evidence and nothing else: certificate
 * and host name are checked on every connection. Bounded: the oldest entry goes when there are too many.
 */
export class RememberedMachines<T> {
  readonly #machines = new Map<string, RememberedMachine<T>>();

  find(identity: MachineIdentity): RememberedMachine<T> | undefined {
    const key = keyOf(identity);
    const machine = this.#machines.get(key);
    if (machine === undefined) return undefined;
    if (machine.until > performance.now()) return machine;
    this.#machines.delete(key);
    return undefined;
  }

  keep(identity: MachineIdentity, machine: RememberedMachine<T>): void {
    const key = keyOf(identity);
    this.#machines.delete(key);
    this.#machines.set(key, machine);
    const [oldest] = this.#machines.keys();
    if (this.#machines.size > MAX_ENTRIES && oldest !== undefined) this.#machines.delete(oldest);
  }

  clear(): void {
    this.#machines.clear();
  }
}

function keyOf({ role, authority = '', spkiSha256, demands }: MachineIdentity): string {
  // The authority comes last: it is the only part whose length varies.
  return `${role}\0${demands}\0${Buffer.from(spkiSha256).toString('hex')}\0${authority}`;
}

/** A digest of anything that JSON can hold, bytes and dates included: the same demands, the same digest. */
export function digestOf(value: unknown): string {
  const text = JSON.stringify(value, (_name, member: unknown) =>
    member instanceof Uint8Array ? { bytes: Buffer.from(member).toString('base64') } : member,
  );
  return createHash('sha256')
    .update(text ?? 'undefined')
    .digest('hex');
}
