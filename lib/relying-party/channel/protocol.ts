import { createHash } from 'node:crypto';
import { isJsonObject, parseStrictJson } from '../../base/strict-json.js';
import { channelError } from './errors.js';

/** Attested channel, version 1: docs/attested-channel.md has the protocol and what it proves. */
export const CHANNEL_VERSION = 1;
/** Where the relying end asks, and where a client shows its own evidence. */
export const CHANNEL_PATH = '/.well-known/attested-channel';
export const CLIENT_PATH = '/.well-known/attested-channel/client';
/** RFC 8446 section 7.5: without a context, which in TLS 1.3 is the same as an empty one. */
export const EXPORTER_LABEL = 'EXPORTER-cvm-guest-attestation-channel-v1';
export const EXPORTER_BYTES = 32;
export const CHALLENGE_BYTES = 32;
/** Context of the quote's qualifying data; callers of getEvidence cannot ask for it. */
export const CHANNEL_CONTEXT = 'channel-v1';
/** Flag bit 0: the TLS key pair was made in the attested process and never left it. */
export const FLAG_KEY_BORN_HERE = 1;
const KNOWN_FLAGS = FLAG_KEY_BORN_HERE;

/** Evidence with an event log of the largest size that verifiers take, in base64url, and some room. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** Challenges of one batch for one hardware report. */
export const MAX_BATCH = 16;
const MAX_DEPTH = 8;
const DIGEST_BYTES = 32;

const BINDING_PREFIX = Buffer.from('cvm-guest-attestation channel v1\0', 'latin1');
const REPORT_PREFIX = Buffer.from('cvm-guest-attestation report v1\0', 'latin1');

/** The end whose evidence it is. */
export type ChannelRole = 'server' | 'client';

export interface BindingFacts {
  role: ChannelRole;
  flags: number;
  /** 32 bytes of the relying end. */
  challenge: Uint8Array;
  /** 32 bytes, each end's own. */
  exporter: Uint8Array;
  /** SHA-256 of the attested end's SubjectPublicKeyInfo as it stands in its certificate; absent without a certificate. */
  spkiSha256: Uint8Array | undefined;
}

/**
 * What the attested end's TPM signs, 32 bytes. Every part has a fixed length but the role, which ends with a zero byte:
 * two different sets of facts never hash the same bytes.
 */
export function channelBinding({ role, flags, challenge, exporter, spkiSha256 }: BindingFacts): Uint8Array {
  return createHash('sha256')
    .update(BINDING_PREFIX)
    .update(`${role}\0`, 'latin1')
    .update(Uint8Array.of(flags))
    .update(challenge)
    .update(exporter)
    .update(spkiSha256 ?? new Uint8Array(DIGEST_BYTES))
    .digest();
}

/** hᵢ: what stands for a challenge in a batch. */
export function challengeDigest(challenge: Uint8Array): Uint8Array {
  return createHash('sha256').update(challenge).digest();
}

/** User data of a report that was made for a batch of challenges: 32 bytes, the report pads them with zeros. */
export function batchUserData(digests: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256').update(REPORT_PREFIX);
  for (const digest of digests) hash.update(digest);
  return hash.digest();
}

/** Step 1: the relying end asks. Without a challenge it remembers the server and asks only for the server's challenge. */
export interface AskMessage {
  challenge?: Uint8Array;
  /** The hardware report, too, has to be made for this challenge. */
  freshReport?: boolean;
}

/** Step 2 and, from a client, step 4. */
export interface EvidenceMessage {
  flags: number;
  /** The evidence as JSON, not verified: absent where the asking end said that it remembers this one. */
  evidence?: object;
  batch?: readonly Uint8Array[];
  /** The server's own challenge, in mutual mode. */
  challenge?: Uint8Array;
  freshReport?: boolean;
}

export function encodeAsk({ challenge, freshReport }: AskMessage): string {
  return JSON.stringify({
    version: CHANNEL_VERSION,
    ...(challenge && { challenge: base64url(challenge) }),
    ...(freshReport === true && { freshReport: true }),
  });
}

export function encodeEvidence({ flags, evidence, batch, challenge, freshReport }: EvidenceMessage): string {
  return JSON.stringify({
    version: CHANNEL_VERSION,
    flags,
    ...(evidence && { evidence }),
    ...(batch && { batch: batch.map(base64url) }),
    ...(challenge && { challenge: base64url(challenge) }),
    ...(freshReport === true && { freshReport: true }),
  });
}

/** @throws {VerificationError} `ERR_CHANNEL_MESSAGE` */
export function decodeAsk(body: Uint8Array): AskMessage {
  const members = decode(body, ['version', 'challenge', 'freshReport']);
  const message: AskMessage = {};
  if (members.challenge !== undefined) message.challenge = bytesOf(members.challenge, CHALLENGE_BYTES);
  if (members.freshReport !== undefined) message.freshReport = trueOf(members.freshReport);
  return message;
}

/** @throws {VerificationError} `ERR_CHANNEL_MESSAGE`, `ERR_CHANNEL_FLAGS` */
export function decodeEvidence(body: Uint8Array): EvidenceMessage {
  const members = decode(body, ['version', 'flags', 'evidence', 'batch', 'challenge', 'freshReport']);
  const { flags, evidence, batch, challenge, freshReport } = members;
  if (!Number.isInteger(flags) || Number(flags) < 0) throw malformed('flags are not a number');
  if ((Number(flags) & ~KNOWN_FLAGS) !== 0 || Number(flags) > 255) throw channelError('ERR_CHANNEL_FLAGS');
  const message: EvidenceMessage = { flags: Number(flags) };
  if (evidence !== undefined) {
    if (!isJsonObject(evidence)) throw malformed('evidence is not an object');
    message.evidence = evidence;
  }
  if (batch !== undefined) {
    if (!Array.isArray(batch) || batch.length === 0 || batch.length > MAX_BATCH) throw malformed('batch');
    message.batch = batch.map((digest) => bytesOf(digest, DIGEST_BYTES));
  }
  if (challenge !== undefined) message.challenge = bytesOf(challenge, CHALLENGE_BYTES);
  if (freshReport !== undefined) message.freshReport = trueOf(freshReport);
  return message;
}

function decode(body: Uint8Array, names: readonly string[]): Record<string, unknown> {
  if (body.length > MAX_MESSAGE_BYTES) throw malformed('too large');
  let value: unknown;
  try {
    value = parseStrictJson(body, MAX_DEPTH);
  } catch (cause) {
    throw channelError('ERR_CHANNEL_MESSAGE', 'not JSON', cause);
  }
  if (!isJsonObject(value)) throw malformed('not an object');
  if (value.version !== CHANNEL_VERSION) throw malformed('another version');
  // A member that this version does not know could be one that a later version's end relies on.
  if (Object.keys(value).some((name) => !names.includes(name))) throw malformed('an unknown member');
  return value;
}

function bytesOf(text: unknown, size: number): Uint8Array {
  if (typeof text !== 'string' || text.length !== Math.ceil((size * 4) / 3)) throw malformed(`not ${size} bytes`);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== size || bytes.toString('base64url') !== text) throw malformed('not base64url');
  return new Uint8Array(bytes);
}

function trueOf(value: unknown): true {
  if (value !== true) throw malformed('freshReport is true or absent');
  return true;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

const malformed = (what: string) => channelError('ERR_CHANNEL_MESSAGE', what);
