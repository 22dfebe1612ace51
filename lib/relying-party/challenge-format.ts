import { createHmac, timingSafeEqual } from 'node:crypto';
import { invalid } from '../base/options.js';
import { refuseChallenge } from './refusals.js';

/**
 * challenge = base64url(0x01 ‖ random (16) ‖ expiry (u64, ms) ‖ HMAC-SHA-256(K, those 25 bytes ‖ u32 lifetimeMs ‖ u16 length ‖
 * context)), integers big-endian: 57 bytes, 76 characters.
 */
export const CHALLENGE_BYTES = 57;
export const RANDOM_BYTES = 16;
const CHALLENGE_CHARACTERS = 76;
const VERSION = 1;
const SIGNED_BYTES = 25;
const BASE64URL = /^[A-Za-z0-9_-]*$/;
const MAXIMUM_CONTEXT = 32;
const NO_CONTEXT = Buffer.alloc(0);

export interface ChallengeFields {
  /** 16 bytes. */
  random: Uint8Array;
  /** Milliseconds since the epoch. */
  expiry: number;
}

/**
 * The 57 bytes of a challenge: what `getEvidence` gets as its nonce.
 *
 * @throws {VerificationError} `ERR_CHALLENGE_FORMAT` for any other spelling.
 */
export function challengeBytes(text: string): Uint8Array {
  if (typeof text !== 'string' || text.length !== CHALLENGE_CHARACTERS || !BASE64URL.test(text)) {
    throw refuseChallenge('ERR_CHALLENGE_FORMAT');
  }
  // 76 characters are 57 bytes exactly: there are no spare bits that could be spelt in two ways.
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  if (bytes[0] !== VERSION) throw refuseChallenge('ERR_CHALLENGE_FORMAT');
  return bytes;
}

export function formatChallenge(fields: ChallengeFields, key: Uint8Array, lifetimeMs: number, context: Buffer): string {
  const bytes = Buffer.alloc(CHALLENGE_BYTES);
  bytes[0] = VERSION;
  bytes.set(fields.random, 1);
  bytes.writeBigUInt64BE(BigInt(fields.expiry), 1 + RANDOM_BYTES);
  bytes.set(challengeMac(bytes, key, lifetimeMs, context), SIGNED_BYTES);
  return bytes.toString('base64url');
}

/** The fields of a challenge whose MAC is good. An expiry beyond 2⁵³ ms reads as infinite, which every caller refuses. */
export function challengeFields(bytes: Uint8Array): ChallengeFields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const expiry = view.getUint32(1 + RANDOM_BYTES) * 2 ** 32 + view.getUint32(1 + RANDOM_BYTES + 4);
  return {
    random: bytes.subarray(1, 1 + RANDOM_BYTES),
    expiry: expiry > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : expiry,
  };
}

/** In constant time for one key. */
export function hasMac(bytes: Uint8Array, key: Uint8Array, lifetimeMs: number, context: Buffer): boolean {
  return timingSafeEqual(bytes.subarray(SIGNED_BYTES), challengeMac(bytes, key, lifetimeMs, context));
}

function challengeMac(bytes: Uint8Array, key: Uint8Array, lifetimeMs: number, context: Buffer): Buffer {
  // In one piece: each call into OpenSSL costs as much as the hash.
  const signed = Buffer.allocUnsafe(SIGNED_BYTES + 6 + context.length);
  signed.set(bytes.subarray(0, SIGNED_BYTES));
  signed.writeUInt32BE(lifetimeMs, SIGNED_BYTES);
  signed.writeUInt16BE(context.length, SIGNED_BYTES + 4);
  signed.set(context, SIGNED_BYTES + 6);
  return createHmac('sha256', key).update(signed).digest();
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
