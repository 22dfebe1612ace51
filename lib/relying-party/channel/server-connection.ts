import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { AttestationError, VerificationError } from '../../base/errors.js';
import type { AttestedEnd } from './attested-end.js';
import { channelError } from './errors.js';
import type { ChannelAttestation, PeerVerifier } from './peer-verifier.js';
import {
  CHALLENGE_BYTES,
  CHANNEL_PATH,
  CLIENT_PATH,
  decodeAsk,
  decodeEvidence,
  type EvidenceMessage,
  encodeEvidence,
} from './protocol.js';
import { TooManyQuotes } from './quote-queue.js';
import type { RememberedMachines } from './remembered.js';
import { type TlsFacts, tlsFacts } from './tls-facts.js';

/** An answer of the protocol; `close` says that nothing else may follow on this connection. */
export interface ChannelAnswer {
  status: number;
  body?: string;
  retryAfter?: number;
  close?: boolean;
}

/** What a server does with every connection. */
export interface ServerRules {
  end: AttestedEnd;
  /** Mutual mode: what clients must be. */
  clients: PeerVerifier | undefined;
  remembered: RememberedMachines<ChannelAttestation>;
  /** Where refusals of clients go, with their code. */
  onRefusal: (error: unknown) => void;
}

const RETRY_SECONDS_OF_A_CONNECTION = 60;

/**
 * The state of one TLS connection at the attested server. It belongs to the socket: there is no cookie, header or session
 * that could carry it to another.
 */
export class ServerConnection {
  readonly #socket: TLSSocket;
  readonly #rules: ServerRules;
  readonly #facts: TlsFacts;
  /** The challenge that the client has to answer; taken out by the first answer, good or bad. */
  #challenge: Uint8Array | undefined;
  #until = Number.NEGATIVE_INFINITY;
  #expiry: NodeJS.Timeout | undefined;
  /** A quote for somebody who has left is not made. One for the connection: each question's own would listen to the socket. */
  readonly #left = new AbortController();
  attestation: ChannelAttestation | undefined;

  /** @throws {VerificationError} `ERR_CHANNEL_TLS` */
  constructor(socket: TLSSocket, rules: ServerRules) {
    this.#socket = socket;
    this.#rules = rules;
    this.#facts = tlsFacts(socket);
    socket.once('close', () => {
      clearTimeout(this.#expiry);
      this.#left.abort();
    });
    if (socket.destroyed) this.#left.abort();
    if (rules.clients !== undefined) this.#recall(rules.clients);
  }

  /** Whether the application may be reached on this connection. */
  get admitted(): boolean {
    return this.#rules.clients === undefined || this.#until > performance.now();
  }

  /** Answers a message of the protocol; undefined for a path that is not one of its own. */
  async answer(method: string, path: string, body: Uint8Array, mayAsk: () => Promise<boolean>): Promise<ChannelAnswer> {
    if (method !== 'POST') return refusal(405, 'ERR_CHANNEL_MESSAGE');
    try {
      if (path === CHANNEL_PATH) return await this.#attest(body, mayAsk);
      if (path === CLIENT_PATH) return await this.#admit(body);
      return refusal(404, 'ERR_CHANNEL_MESSAGE');
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #attest(body: Uint8Array, mayAsk: () => Promise<boolean>): Promise<ChannelAnswer> {
    const ask = decodeAsk(body);
    const { end, clients } = this.#rules;
    let message: EvidenceMessage = { flags: end.flags };
    if (ask.challenge !== undefined) {
      if (!(await mayAsk())) return refusal(403, 'ERR_CHANNEL_REFUSED');
      if (end.isTooSoon(this.#socket)) return busy(RETRY_SECONDS_OF_A_CONNECTION);
      const wanted = { challenge: ask.challenge, freshReport: ask.freshReport === true };
      message = await end.answer(this.#facts, wanted, this.#left.signal);
    }
    if (clients !== undefined && !this.#recall(clients)) {
      // A further question takes the place of an earlier one: only the newest challenge can be answered.
      this.#challenge = randomBytes(CHALLENGE_BYTES);
      message.challenge = this.#challenge;
      if (clients.freshReport) message.freshReport = true;
    }
    return { status: 200, body: encodeEvidence(message) };
  }

  async #admit(body: Uint8Array): Promise<ChannelAnswer> {
    const { clients, remembered } = this.#rules;
    const challenge = this.#challenge;
    this.#challenge = undefined;
    if (clients === undefined || challenge === undefined) return refusal(409, 'ERR_CHANNEL_MESSAGE');
    const { exporter, peer } = this.#facts;
    const message = decodeEvidence(body);
    const { attestation, until } = await clients.verify(message, {
      role: 'client',
      challenge,
      exporter,
      spkiSha256: peer,
    });
    if (attestation.keyBornThere && peer !== undefined) {
      remembered.keep({ role: 'client', spkiSha256: peer, demands: clients.digest }, { attestation, until });
    }
    this.#enter(attestation, until);
    return { status: 204 };
  }

  /** Lets in a client whose key was attested before. True when it is in. */
  #recall(clients: PeerVerifier): boolean {
    const { peer } = this.#facts;
    if (peer === undefined) return false;
    const known = this.#rules.remembered.find({ role: 'client', spkiSha256: peer, demands: clients.digest });
    if (known === undefined) return false;
    this.#enter(Object.assign({}, known.attestation, { remembered: true }), known.until);
    return true;
  }

  #enter(attestation: ChannelAttestation, until: number): void {
    this.attestation = attestation;
    this.#until = until;
    Object.defineProperty(this.#socket, 'attestation', { value: attestation, configurable: true, enumerable: true });
    clearTimeout(this.#expiry);
    // What is open when the verification has grown too old is closed, unless the client has attested again by then.
    this.#expiry = setTimeout(() => this.#socket.destroy(), Math.max(0, until - performance.now()));
    this.#expiry.unref();
  }

  #failed(error: unknown): ChannelAnswer {
    if (error instanceof TooManyQuotes) return busy(error.retryAfterSeconds);
    this.#rules.onRefusal(error);
    // What was expected is not said: an untrusted peer must not learn the policy.
    if (error instanceof VerificationError) return { ...refusal(403, error.code), close: true };
    if (error instanceof AttestationError) return { ...refusal(503, 'ERR_CHANNEL_BUSY'), close: true };
    return { ...refusal(500, 'ERR_CHANNEL_REFUSED'), close: true };
  }
}

/** The answer to anything of the application's before the connection is attested. */
export function notAttested(): ChannelAnswer {
  return refusal(403, 'ERR_CHANNEL_NOT_ATTESTED');
}

function refusal(status: number, code: string): ChannelAnswer {
  const { message } = channelError(
    code.startsWith('ERR_CHANNEL') ? (code as 'ERR_CHANNEL_REFUSED') : 'ERR_CHANNEL_REFUSED',
  );
  return { status, body: JSON.stringify({ error: { code, message } }) };
}

function busy(retryAfter: number): ChannelAnswer {
  return { ...refusal(503, 'ERR_CHANNEL_BUSY'), retryAfter };
}
