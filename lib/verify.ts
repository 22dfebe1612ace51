/**
 * `cvm-guest-attestation/verify`: evidence and tokens, verified in any JavaScript runtime. Nothing here imports `node:`
 * modules or the addon.
 */
export { parseCertificateTable } from './abi/certificate-table.js';
export {
  type PckCertificationData,
  parseTdQuote,
  type QeReport,
  type TdBodyType,
  type TdMigrationInfo,
  type TdQuote,
  type TdQuoteSignatureData,
} from './abi/td-quote.js';
export { parseTdReport, type TdMeasurements, type TdReport } from './abi/td-report.js';
export { exportTdxCollateral, importTdxCollateral, type TdxCollateral } from './abi/tdx-collateral.js';
export {
  AttestationError,
  type AttestationErrorDetails,
  type Check,
  type CheckSubject,
  ErrorCode,
  VerificationError,
} from './base/errors.js';
export type { Logger } from './base/logger.js';
export { encryptJwe, type JweOptions } from './content/jwe-encrypt.js';
export type { RetryOptions } from './http/retry.js';
export type { ImdsOptions } from './imds/imds.js';
export type { KdsCallOptions, KdsOptions } from './imds/kds.js';
export type { FetchTdxCollateralOptions } from './imds/pcs.js';
export { CloudError } from './maa/cloud-error.js';
export type {
  AttestationResponse,
  CallOptions,
  MaaClientOptions,
  OpenIdConfiguration,
  TokenCredential,
} from './maa/maa-client.js';
export { buildSevSnpVmRequest, type InitTimeData, type SevSnpVmRequestOptions } from './maa/sev-snp-evidence.js';
export type { AttestedData, AttestSevSnpVmRequest, DataType } from './maa/sev-snp-request.js';
export { type AttestTdxVmRequest, buildTdxVmRequest, type TdxVmRequestOptions } from './maa/tdx-request.js';
export type {
  AttestationClaims,
  AttestationType,
  CommonClaims,
  GuestAttestationClaims,
  GuestRuntimeClaims,
  IsolationTeeClaims,
  PlatformAttestationClaims,
  SevSnpClaims,
  SnpIsolationClaims,
  TdxIsolationClaims,
  TdxPlatformAttestationClaims,
  Tee,
} from './token/claims.js';
export type { EncryptionKey, RsaPublicJwk } from './token/ephemeral-key.js';
export { TOKEN_REFUSALS, type TokenErrorCode } from './token/errors.js';
export type { JSONWebKeySet, TokenAlgorithm } from './token/keys.js';
export type { KeyFetchOptions } from './token/keys-remote.js';
export type { NarrowingTokenOptions, VerifyTokenOptions } from './token/options.js';
export { decodeUnverifiedToken, type TokenHeader } from './token/parse.js';
export type {
  HexValue,
  MaskedValue,
  MinimumSvn,
  TdxTokenPolicy,
  TokenPolicy,
  WindowsTokenPolicy,
} from './token/policy.js';
export type { TdxClaims } from './token/tdx-claims.js';
export type { AlreadyVerified } from './token/token-key.js';
export type { RefusedToken, TokenVerification, VerifiedToken } from './token/verify-token.js';
export { fetchTdxCollateral, fetchThimCertificates, KdsClient, MaaClient } from './web/services.js';
export { explainToken, tokenEncryptionKey, verifyToken } from './web/token.js';
