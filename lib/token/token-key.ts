import { type EncryptionKey, ephemeralKeyFromToken } from './ephemeral-key.js';
import { invalid } from './policy.js';
import { type VerifyTokenOptions, verifyToken } from './verify-token.js';

/** Says that the caller has verified the token already, and takes it as it is. */
export interface AlreadyVerified {
  verified: true;
}

/**
 * The TPM's ephemeral key out of a guest attestation token, as JWK and as KeyObject: what is encrypted to it can be
 * decrypted by that machine's TPM only, and only while its PCRs 0–7 stay as they are.
 *
 * The token is verified first, with the options of {@link verifyToken}; a platform token is refused, since its runtime
 * data need not come from the paravisor. With `verified: true` nothing is verified: for a caller who has just done so.
 *
 * @throws {VerificationError} when the token is refused.
 * @throws {AttestationError} 8, 22 or 23 when it carries no such key, or not exactly one RSA key of 2048 bits or more.
 */
export async function tokenEncryptionKey(
  token: string,
  options: VerifyTokenOptions | AlreadyVerified,
): Promise<EncryptionKey> {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
  const { verified, ...expectations } = options as AlreadyVerified & VerifyTokenOptions;
  if (verified !== true) await verifyToken(token, { ...expectations, attestationType: 'azurevm' });
  return ephemeralKeyFromToken(token);
}
