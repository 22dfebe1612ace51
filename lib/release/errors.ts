import {
  AttestationError,
  type AttestationErrorDetails,
  type Check,
  ErrorCode,
  VerificationError,
} from '../base/errors.js';

/** Every reason for which a release is refused here: stable code and what it says. */
export const RELEASE_REFUSALS = Object.freeze({
  ERR_RELEASE_REFUSED: 'The vault refused to release the key.',
  ERR_RELEASE_TOKEN_KEY: 'The token does not make the vault wrap the key to this TPM.',
  ERR_RELEASE_JWS: 'The answer is not a JWS with certificates, signed by an allowed algorithm.',
  ERR_RELEASE_CHAIN: 'The certificates of the answer lead to no trusted root, or are for another host.',
  ERR_RELEASE_SIGNATURE: 'The answer is not signed by the key of its certificate.',
  ERR_RELEASE_KID: 'The answer is about another key, version or vault than the one asked for.',
  ERR_RELEASE_ENC: 'The key is wrapped by another algorithm than the one asked for.',
  ERR_RELEASE_BLOB: 'The wrapped key is malformed, or wrapped to another key than the one of the token.',
  ERR_RELEASE_NONCE: 'The answer has another nonce than the request, or none where one is demanded.',
  ERR_RELEASE_UNWRAP: 'The wrapped key does not open.',
  ERR_RELEASE_KEY: 'The released key is not the one that the answer describes, or may not be used.',
} as const);

/** Code of a refusal, for instance `'ERR_RELEASE_KID'`. */
export type ReleaseErrorCode = keyof typeof RELEASE_REFUSALS;

/**
 * What the vault's refusal means: the access token (`credential`), the rights of the identity (`permission`), a firewall
 * (`network`), the attestation token (`token`), the release policy of the key (`policy`), no such key (`not-found`), load
 * (`throttled`), or anything else (`request`).
 */
export type ReleaseRefusalReason =
  | 'credential'
  | 'permission'
  | 'network'
  | 'token'
  | 'policy'
  | 'not-found'
  | 'throttled'
  | 'request';

/** What is known of an answer of the vault that releases nothing. */
export interface VaultAnswerFacts {
  /** HTTP status. */
  status: number;
  reason: ReleaseRefusalReason;
  /** The innermost code of the vault's own error. */
  vaultCode?: string;
  /** `x-ms-request-id`, for a support request. */
  requestId?: string;
  /** `x-ms-keyvault-region`. */
  region?: string;
  /** Which conditions of the policy fail, in words, where the policy is known. */
  explanation?: string;
}

/** The vault's refusal to release a key, with what it means. Its code is `ERR_RELEASE_REFUSED`. */
export class ReleaseRefusedError extends VerificationError implements VaultAnswerFacts {
  readonly status: number;
  readonly reason: ReleaseRefusalReason;
  readonly vaultCode?: string;
  readonly requestId?: string;
  readonly region?: string;
  readonly explanation?: string;

  constructor(message: string, facts: VaultAnswerFacts, cause?: unknown) {
    const code = 'ERR_RELEASE_REFUSED';
    const check: Check = {
      name: 'the vault releases the key',
      ok: false,
      code,
      subject: 'released-key',
      actual: message,
    };
    super(code, message, [check], cause);
    this.status = facts.status;
    this.reason = facts.reason;
    if (facts.vaultCode !== undefined) this.vaultCode = facts.vaultCode;
    if (facts.requestId !== undefined) this.requestId = facts.requestId;
    if (facts.region !== undefined) this.region = facts.region;
    if (facts.explanation !== undefined) this.explanation = facts.explanation;
  }
}

/** The vault was too busy, or failed, after every repetition: error 4, with what it said. */
export class VaultUnavailableError extends AttestationError {
  readonly reason: ReleaseRefusalReason = 'throttled';
  readonly requestId?: string;

  constructor(message: string, requestId: string | undefined, details: AttestationErrorDetails) {
    super(ErrorCode.HTTP_REQUEST_EXCEEDED_RETRIES, message, details);
    if (requestId !== undefined) this.requestId = requestId;
  }
}

/** A refusal of this package's own, after the checks that were made. */
export function refuseRelease(
  code: string,
  checks: readonly Check[],
  because?: string,
  cause?: unknown,
): VerificationError {
  const sentence = Object.hasOwn(RELEASE_REFUSALS, code) ? RELEASE_REFUSALS[code as ReleaseErrorCode] : code;
  const message = because === undefined ? sentence : `${sentence.slice(0, -1)}: ${because}`;
  return new VerificationError(code, message, checks, cause);
}

/** The private key did its work, and the block, or what it wraps, is not what it must be. */
export class NotUnwrapped extends Error {
  override readonly name = 'NotUnwrapped';
}
