export { encryptJwe, type JweEncryptOptions } from './envelope/jwe.js';
export type { KeyCacheOptions } from './envelope/key-cache.js';
export { AttestationError, type AttestationErrorDetails, type Check, ErrorCode, VerificationError } from './errors.js';
export type { Logger } from './logger.js';
export { CloudError } from './maa/cloud-error.js';
export type { JSONWebKeySet, TokenAlgorithm } from './maa/keys.js';
export type { KeyFetchOptions } from './maa/keys-remote.js';
export {
  type AttestationResponse,
  type CallOptions,
  MaaClient,
  type MaaClientOptions,
  type OpenIdConfiguration,
  type TokenCredential,
} from './maa/maa-client.js';
export type { AttestedData, AttestSevSnpVmRequest, DataType } from './maa/sev-snp-request.js';
export { type VerifyTokenOptions, verifyToken } from './maa/token.js';
export type {
  AttestationClaims,
  GuestAttestationClaims,
  GuestRuntimeClaims,
  IsolationTeeClaims,
  PlatformAttestationClaims,
  SevSnpClaims,
} from './maa/token-claims.js';
export { TOKEN_REFUSALS, type TokenErrorCode } from './maa/token-errors.js';
export { type AlreadyVerified, tokenEncryptionKey } from './maa/token-key.js';
export { decodeUnverifiedToken, type TokenHeader } from './maa/token-parse.js';
export type { HexValue, MinimumSvn, TokenPolicy } from './maa/token-policy.js';
