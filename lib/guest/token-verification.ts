import { parseTpm2bPublic } from '../abi/tpm.js';
import { untilAborted } from '../base/abort.js';
import { AttestationError, ErrorCode, VerificationError } from '../base/errors.js';
import { nodeContext } from '../node/context.js';
import { ephemeralKeyFromToken } from '../token/ephemeral-key.js';
import { checkTokenOptions, type VerifyTokenOptions } from '../token/options.js';
import { verifyTokenIn } from '../token/verify-token.js';

/** What a guest wants of its own token before it uses it or passes it on. */
export type OwnTokenVerification = Partial<VerifyTokenOptions>;

/**
 * How the token of one attestation is verified: signed by the service that is asked, and about this payload.
 *
 * @param clientPayload as sent, values in base64
 * @throws AttestationError 8 for wrong expectations, before anything is sent.
 */
export function ownTokenOptions(
  verify: OwnTokenVerification,
  service: URL,
  clientPayload: Readonly<Record<string, string>> | null,
): VerifyTokenOptions {
  const payload = Object.entries(clientPayload ?? {});
  const options: VerifyTokenOptions = {
    issuer: service.origin,
    attestationType: 'azurevm',
    clientPayload: Object.fromEntries(
      payload.map(([name, value]) => [name, Buffer.from(value, 'base64').toString('utf8')]),
    ),
    ...verify,
  };
  checkTokenOptions(options);
  return options;
}

/**
 * Verifies the token that came back, and that it is for the key in this TPM.
 *
 * @param ephemeralKey TPM2B_PUBLIC of the key that was certified
 * @throws AttestationError 6, with the `VerificationError` as its cause.
 */
export async function verifyOwnToken(
  token: string,
  ephemeralKey: Uint8Array,
  options: VerifyTokenOptions,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await untilAborted(verifyTokenIn(nodeContext, token, options), signal);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    throw refused(`${error.code}: ${error.message}`, error);
  }
  const { modulus } = parseTpm2bPublic(ephemeralKey);
  if (ephemeralKeyFromToken(token).jwk.n !== Buffer.from(modulus).toString('base64url')) {
    throw refused('it carries another key than that of this TPM');
  }
}

const refused = (why: string, cause?: unknown): AttestationError =>
  new AttestationError(
    ErrorCode.ATTESTATION_FAILED,
    `the token of the attestation service is refused: ${why}`,
    cause === undefined ? {} : { cause },
  );
