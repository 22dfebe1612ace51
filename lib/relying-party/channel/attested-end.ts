import type { TLSSocket } from 'node:tls';
import { invalid } from '../../base/options.js';
import type { AttestationClient } from '../../guest/client.js';
import { machineEvidence } from './machine-evidence.js';
import { makeOwnCertificate, type OwnCertificate } from './own-certificate.js';
import { type ChannelRole, channelBinding, type EvidenceMessage, FLAG_KEY_BORN_HERE } from './protocol.js';
import { type QuoteLimits, QuoteQueue } from './quote-queue.js';
import type { TlsFacts } from './tls-facts.js';

/** The TLS identity of an end that attests: a key of the caller's, or one that is made here and never leaves. */
export interface EndIdentity {
  key: string | Uint8Array;
  cert: string | Uint8Array;
  flags: number;
}

const MINUTE_MS = 60_000;
const ownCertificates = new WeakMap<AttestationClient, OwnCertificate>();
const queues = new WeakMap<AttestationClient, QuoteQueue>();

/** `key` and `cert` as given, or one key a client that exists in this process alone. */
export function endIdentity(
  client: AttestationClient | undefined,
  tls: { key?: string | Uint8Array; cert?: string | Uint8Array },
): EndIdentity | undefined {
  const { key, cert } = tls;
  if ((key === undefined) !== (cert === undefined))
    throw invalid('tls.key and tls.cert are given together, or neither');
  if (key !== undefined && cert !== undefined) return { key, cert, flags: 0 };
  if (client === undefined) return undefined;
  const own = ownCertificates.get(client) ?? makeOwnCertificate();
  ownCertificates.set(client, own);
  return { ...own, flags: FLAG_KEY_BORN_HERE };
}

/** This machine's side of the protocol: bindings of its own connections, signed by its TPM, within limits. */
export class AttestedEnd {
  readonly #role: ChannelRole;
  readonly #flags: number;
  readonly #queue: QuoteQueue;
  readonly #lastChallenge = new WeakMap<TLSSocket, number>();

  constructor(client: AttestationClient, role: ChannelRole, flags: number, limits: QuoteLimits = {}) {
    this.#role = role;
    this.#flags = flags;
    let queue = queues.get(client);
    // One TPM, one queue: the first end of a client sets its limits.
    if (queue === undefined) {
      queue = new QuoteQueue(machineEvidence(client), limits);
      queues.set(client, queue);
    }
    this.#queue = queue;
  }

  get flags(): number {
    return this.#flags;
  }

  /** Whether this connection has had its challenge of this minute. Counts the one that is asked about. */
  isTooSoon(socket: TLSSocket): boolean {
    const last = this.#lastChallenge.get(socket);
    const now = performance.now();
    if (last !== undefined && now - last < MINUTE_MS) return true;
    this.#lastChallenge.set(socket, now);
    return false;
  }

  /** @throws {TooManyQuotes} and whatever getEvidence rejects with */
  async answer(
    facts: TlsFacts,
    ask: { challenge: Uint8Array; freshReport: boolean },
    signal?: AbortSignal,
  ): Promise<EvidenceMessage> {
    const binding = channelBinding({
      role: this.#role,
      flags: this.#flags,
      challenge: ask.challenge,
      exporter: facts.exporter,
      spkiSha256: facts.own,
    });
    const { evidence, batch } = await this.#queue.quote({ binding, ...ask, ...(signal && { signal }) });
    return { flags: this.#flags, evidence, ...(batch && { batch }) };
  }
}
