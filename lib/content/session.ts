/** Bytes that a message of a session is longer than its plaintext: number (8) and tag (16). */
export const SESSION_OVERHEAD = 24;

export const MAX_SESSION_MESSAGES = 2 ** 48;

const LABEL = Buffer.from('cvm-guest-attestation session v1\0', 'latin1');

/** What a session's key is derived for (docs/encryption.md "Sessions"): a JWE has no zero byte, so this reads one way only. */
export function sessionInfo(jwe: string, additionalData: Uint8Array | undefined): Buffer {
  return Buffer.concat([LABEL, Buffer.from(`${jwe}\0`, 'latin1'), additionalData ?? new Uint8Array()]);
}
