import { timingSafeEqual } from 'node:crypto';
import { readBase64url } from '../base/base64url.js';
import type { HmacKey } from '../base/hmac-key.js';
import { invalid } from '../base/options.js';
import { refuseChallenge } from './refusals.js';

/**
 * challenge = base64url(0x01 ‖ random (16) ‖ expiry (u64, ms) ‖ HMAC-SHA-256(K, those 25 bytes ‖ u32 lifetimeMs ‖ u16 length ‖
 * context)), integers big-endian: 57 bytes, 76 characters.
 */
export const CHALLENGE_BYTES = 57;
export const RANDOM_BYTES = 16;
const VERSION = 1;
const SIGNED_BYTES = 25;
const MAXIMUM_CONTEXT = 32;
const NO_CONTEXT = Buffer.alloc(0);

export interface ChallengeFields {
  /** Which of the secrets has signed it. */
  secret: number;
  /** 16 bytes in hex. */
  random: string;
  /** Milliseconds since the epoch. */
  expiry: number;
}

/** What was read last, and its MAC: challenges are read and done with before another can be. */
const lastRead = Buffer.alloc(CHALLENGE_BYTES);
const lastMac = lastRead.subarray(SIGNED_BYTES);

/**
 * The 57 bytes of a challenge: what `getEvidence` gets as its nonce.
 *
 * @throws {VerificationError} `ERR_CHALLENGE_FORMAT` for any other spelling.
 */
export function challengeBytes(text: string): Uint8Array {
  readText(text);
  return new Uint8Array(lastRead);
}

function readText(text: string): void {
  if (typeof text !== 'string' || !readBase64url(text, lastRead) || lastRead[0] !== VERSION) {
    throw refuseChallenge('ERR_CHALLENGE_FORMAT');
  }
}

/** What challenges of one lifetime and context are signed with: u32 lifetimeMs ‖ u16 length ‖ context, and room for 25 bytes before. */
export function signedTerms(lifetimeMs: number, context: Buffer): Buffer {
  const terms = Buffer.alloc(SIGNED_BYTES + 6 + context.length);
  terms.writeUInt32BE(lifetimeMs, SIGNED_BYTES);
  terms.writeUInt16BE(context.length, SIGNED_BYTES + 4);
  terms.set(context, SIGNED_BYTES + 6);
  return terms;
}

export function formatChallenge(random: Uint8Array, expiry: number, key: HmacKey, terms: Buffer): string {
  const bytes = Buffer.alloc(CHALLENGE_BYTES);
  bytes[0] = VERSION;
  bytes.set(random, 1);
  bytes.writeBigUInt64BE(BigInt(expiry), 1 + RANDOM_BYTES);
  bytes.set(macOf(bytes, key, terms), SIGNED_BYTES);
  return bytes.toString('base64url');
}

/**
 * The fields of a challenge that one of the keys has signed. An expiry beyond 2⁵³ ms reads as infinite, which every caller
 * refuses. In constant time for one key.
 *
 * @throws {VerificationError} `ERR_CHALLENGE_FORMAT`, `ERR_CHALLENGE_MAC`
 */
export function readChallenge(text: string, keys: readonly HmacKey[], terms: Buffer): ChallengeFields {
  readText(text);
  let secret = 0;
  for (const key of keys) {
    if (timingSafeEqual(lastMac, macOf(lastRead, key, terms))) break;
    secret++;
  }
  if (secret === keys.length) throw refuseChallenge('ERR_CHALLENGE_MAC');
  const expiry = lastRead.readUInt32BE(1 + RANDOM_BYTES) * 2 ** 32 + lastRead.readUInt32BE(1 + RANDOM_BYTES + 4);
  return {
    secret,
    random: lastRead.toString('hex', 1, 1 + RANDOM_BYTES),
    expiry: expiry > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : expiry,
  };
}

function macOf(bytes: Buffer, key: HmacKey, terms: Buffer): Uint8Array {
  for (let at = 0; at < SIGNED_BYTES; at++) terms[at] = bytes[at] as number;
  return key.digest(terms);
}

/** UTF-8 of a context; empty when there is none. @throws {AttestationError} 8 */
export function contextBytes(context: string | undefined): Buffer {
  if (context === undefined) return NO_CONTEXT;
  if (typeof context !== 'string' || /\p{Surrogate}/u.test(context)) throw invalid('context must be a text');
  const characters = [...context].length;
  if (characters === 0 || characters > MAXIMUM_CONTEXT) {
    throw invalid(`context must have 1 to ${MAXIMUM_CONTEXT} characters`);
  }
  return Buffer.from(context, 'utf8');
}
