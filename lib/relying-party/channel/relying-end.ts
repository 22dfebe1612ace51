import { randomBytes } from 'node:crypto';
import { withSignals } from '../../base/abort.js';
import type { AttestedEnd } from './attested-end.js';
import { channelError } from './errors.js';
import type { ChannelAttestation, PeerVerifier } from './peer-verifier.js';
import {
  CHALLENGE_BYTES,
  CHANNEL_PATH,
  CLIENT_PATH,
  decodeEvidence,
  type EvidenceMessage,
  encodeAsk,
  encodeEvidence,
} from './protocol.js';
import type { PostAnswer, PostMessage } from './raw-exchange.js';
import { RememberedMachines } from './remembered.js';
import type { TlsFacts } from './tls-facts.js';

/** Servers that were verified, for all connections of this process. */
const remembered = new RememberedMachines<ChannelAttestation>();

export interface ClientRules {
  verifier: PeerVerifier;
  /** Host and port that were dialled. */
  authority: string;
  /** This machine, in mutual mode. */
  end: AttestedEnd | undefined;
  /** The server waits for a question on every connection, because it speaks no HTTP. */
  alwaysAsk: boolean;
}

export interface ClientOutcome {
  attestation: ChannelAttestation;
  /** Milliseconds of the monotonic clock: until when the connection may be used. */
  until: number;
}

/**
 * The client's side of the protocol, over whatever `post` sends it: asks, verifies, remembers, and answers the server's
 * own challenge. Nothing of the application's has been sent when it resolves.
 *
 * @throws {VerificationError} of the channel, or of the evidence with its checks
 */
export async function attestServer(
  post: PostMessage,
  facts: TlsFacts,
  rules: ClientRules,
  signal: AbortSignal,
): Promise<ClientOutcome> {
  const { verifier, authority, end, alwaysAsk } = rules;
  const identity = facts.peer && {
    role: 'server' as const,
    authority,
    spkiSha256: facts.peer,
    demands: verifier.digest,
  };
  const known = identity && remembered.find(identity);
  if (known !== undefined && end === undefined && !alwaysAsk) return recalled(known);

  const challenge = known === undefined ? randomBytes(CHALLENGE_BYTES) : undefined;
  const ask = encodeAsk({ ...(challenge && { challenge }), ...(challenge && { freshReport: verifier.freshReport }) });
  const message = decodeEvidence(accepted(await post(CHANNEL_PATH, ask, signal), 200));
  let outcome: ClientOutcome;
  if (challenge === undefined) {
    if (known === undefined) throw channelError('ERR_CHANNEL_NO_EVIDENCE');
    outcome = recalled(known);
  } else {
    const { exporter, peer } = facts;
    outcome = await verifier.verify(message, { role: 'server', challenge, exporter, spkiSha256: peer });
    if (outcome.attestation.keyBornThere && identity !== undefined) remembered.keep(identity, outcome);
  }
  await showOwnEvidence(post, facts, message, end, signal);
  return outcome;
}

/** Step 4. The server's challenge is absent where it remembers this end. */
async function showOwnEvidence(
  post: PostMessage,
  facts: TlsFacts,
  { challenge, freshReport = false }: EvidenceMessage,
  end: AttestedEnd | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (challenge === undefined) return;
  if (end === undefined) throw channelError('ERR_CHANNEL_REFUSED', 'the server demands evidence of its clients');
  const own = await end.answer(facts, { challenge, freshReport }, signal);
  accepted(await post(CLIENT_PATH, encodeEvidence(own), signal), 204);
}

function accepted({ status, body, retryAfter }: PostAnswer, wanted: number): Uint8Array {
  if (status === wanted) return body;
  if (status === 503) throw channelError('ERR_CHANNEL_BUSY', `retry after ${retryAfter ?? 1} s`);
  throw channelError('ERR_CHANNEL_REFUSED', `status ${status}${codeOf(body)}`);
}

/** The peer's own code, when it is one: no other text of an unverified peer goes into a message. */
function codeOf(body: Uint8Array): string {
  const code = /"code":"(ERR_[A-Z0-9_]{1,40})"/.exec(Buffer.from(body.subarray(0, 512)).toString('latin1'))?.[1];
  return code === undefined ? '' : `, ${code}`;
}

function recalled({ attestation, until }: ClientOutcome): ClientOutcome {
  return { attestation: Object.assign({}, attestation, { remembered: true }), until };
}

/** Runs `work` until the deadline or the caller's signal ends it. */
export async function withDeadline<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(channelError('ERR_CHANNEL_DEADLINE')), milliseconds);
  try {
    return await withSignals(signal === undefined ? [controller.signal] : [controller.signal, signal], work);
  } finally {
    clearTimeout(timer);
  }
}
