import { createPublicKey, type KeyObject } from 'node:crypto';
import type { AttestationClaims, AttestationType, Tee } from '../token/claims.js';
import type { EncryptionKey } from '../token/ephemeral-key.js';
import type { NarrowingTokenOptions, VerifyTokenOptions } from '../token/options.js';
import { type AlreadyVerified, tokenEncryptionKeyIn } from '../token/token-key.js';
import { explainTokenIn, type TokenVerification, verifyTokenIn } from '../token/verify-token.js';
import { nodeContext } from './context.js';

/** {@link EncryptionKey} and its form for node:crypto. */
export interface NodeEncryptionKey extends EncryptionKey {
  keyObject: KeyObject;
}

/**
 * Verifies an attestation token and returns its claims.
 *
 * The signature must be by a key of a configured issuer; key material and addresses in the token's header are never
 * used. A token must fit in 64 KiB, nest no deeper than 32 levels and name no claim twice. By default it must also be a
 * guest's (`azurevm`), about a machine with SEV-SNP or TDX that is compliant, cannot be debugged or migrated, and reports
 * from VMPL 0; the other expectations are checked when given.
 *
 * @throws {VerificationError} with one of the `ERR_TOKEN_…` codes of {@link TOKEN_REFUSALS}; `checks` lists every check
 *   that was made, and once the signature is good every one there is, not only the first that failed.
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function verifyToken<Type extends AttestationType = 'azurevm', T extends Tee = Tee>(
  token: string,
  options: NarrowingTokenOptions<Type, T>,
): Promise<AttestationClaims<Type, T>> {
  return verifyTokenIn(nodeContext, token, options) as Promise<AttestationClaims<Type, T>>;
}

/**
 * Does what {@link verifyToken} does, for people: instead of rejecting it lists every check that was made, passed or
 * failed. Claims are checked only when the issuer has signed them.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function explainToken<Type extends AttestationType = 'azurevm', T extends Tee = Tee>(
  token: string,
  options: NarrowingTokenOptions<Type, T>,
): Promise<TokenVerification<AttestationClaims<Type, T>>> {
  return explainTokenIn(nodeContext, token, options) as Promise<TokenVerification<AttestationClaims<Type, T>>>;
}

/**
 * The TPM's ephemeral key out of a guest attestation token: what is encrypted to it can be decrypted by that machine's TPM
 * only, and only while its PCRs 0–7 stay as they are.
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
): Promise<NodeEncryptionKey> {
  const key = await tokenEncryptionKeyIn(nodeContext, token, options);
  return { ...key, keyObject: createPublicKey({ format: 'jwk', key: { ...key.jwk } }) };
}
