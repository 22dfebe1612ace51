import { bigEndian, concatBytes, utf8Bytes } from '../base/bytes.js';
import { hmac, sha2 } from '../base/sha2.js';

/**
 * Proof that whoever sends a token holds its key: the server seals s to the key, the client answers with an HMAC under s.
 *
 * s     = HMAC-SHA-256(K, challenge (57) ‖ SHA-256(token) ‖ u16 length ‖ origin)
 * proof = HMAC-SHA-256(s, `cvm-guest-attestation proof v1` ‖ 0x00 ‖ u16 length ‖ origin ‖ u16 length ‖ method ‖ u32 length ‖
 *         request target)
 *
 * Integers are big-endian. The origin in the proof is the one of the TLS connection whose certificate the client verified, so
 * that a server which passes another one's challenge on gets a proof that is of no use there.
 */
export const POSSESSION_CONTEXT = 'pop-v1';
/** OAEP's label of the sealed secret: nothing else is decrypted by it, and it decrypts nothing else. */
export const POSSESSION_LABEL = utf8Bytes('cvm-guest-attestation pop v1\0');
export const PROOF_BYTES = 32;

const PROOF_PREFIX = utf8Bytes('cvm-guest-attestation proof v1\0');
const MAXIMUM_SHORT = 0xffff;

/** What a proof is about, besides the secret. */
export interface ProvenRequest {
  /** Scheme, host and port as in `new URL(…).origin`. */
  origin: string;
  /** As in the request line. */
  method: string;
  /** Path and query as in the request line. */
  target: string;
}

/** 32 bytes that only the server and the holder of the token's key know. */
export function possessionSecret(key: Uint8Array, challenge: Uint8Array, token: string, origin: string): Uint8Array {
  return hmac('SHA-256', key, concatBytes(challenge, sha2('SHA-256', utf8Bytes(token)), sized(origin, 2)));
}

export function possessionProof(secret: Uint8Array, { origin, method, target }: ProvenRequest): Uint8Array {
  const message = concatBytes(PROOF_PREFIX, sized(origin, 2), sized(method, 2), sized(target, 4));
  return hmac('SHA-256', secret, message);
}

function sized(text: string, lengthBytes: 2 | 4): Uint8Array {
  const bytes = utf8Bytes(text);
  if (lengthBytes === 2 && bytes.length > MAXIMUM_SHORT) throw new RangeError('longer than 65,535 bytes');
  return concatBytes(bigEndian(bytes.length, lengthBytes), bytes);
}
