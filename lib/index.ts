import './diagnostics-channels.js';
import './node/advice.js';

export {
  type CertificateTableEntry,
  type CertificateTableName,
  parseCertificateTable,
} from './abi/certificate-table.js';
export { describeEvent } from './abi/event-log/description.js';
export {
  EVENT_LOG_LIMITS,
  type EventHash,
  type EventLog,
  parseEventLog,
  type TcgEvent,
} from './abi/event-log/parse.js';
export { replayEventLog } from './abi/event-log/replay.js';
export type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from './abi/evidence.js';
export { exportTrusteeEvidence, importBincodeQuote, importTrusteeEvidence } from './abi/evidence-import.js';
export { EVIDENCE_JSON_LIMITS, evidenceFromJson, evidenceToJson } from './abi/evidence-json.js';
export {
  type HclHash,
  type HclReport,
  type HclReportType,
  type HclStructure,
  parseHclReport,
} from './abi/hcl-report.js';
export type { RuntimeClaims, RuntimeClaimsKey } from './abi/runtime-claims.js';
export { parseSnpReport } from './abi/snp-report.js';
export { type GuestPolicy, type PlatformInfo, SigningKey, type SnpReport } from './abi/snp-report-fields.js';
export { type Product, parseTcb, type Tcb, type TcbLayout } from './abi/tcb.js';
export type { PlatformStatus } from './abi/tcb-info.js';
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
  type PcrSelection,
  parseTpm2bPublic,
  parseTpmsAttest,
  TPM_GENERATED_VALUE,
  TpmAttestType,
  TpmHash,
  type TpmPublic,
  type TpmsAttest,
} from './abi/tpm.js';
export type { ObservedOperation, OperationEvent } from './base/diagnostics.js';
export {
  AttestationError,
  type AttestationErrorDetails,
  type Check,
  type CheckSubject,
  ErrorCode,
  type ErrorCodeName,
  VerificationError,
} from './base/errors.js';
export type { Logger } from './base/logger.js';
export type { DecryptorOptions } from './content/decryptor.js';
export { encrypt } from './content/encrypt.js';
export {
  type BulkOptions,
  createEncryptor,
  createEncryptStream,
  type Decryptor,
  type Encryptor,
  type EncryptorOptions,
  encryptChunks,
  encryptJwe,
  type JweOptions,
  type KeyCacheOptions,
  PackedMessages,
  type RandomAccessSource,
  type SealedFile,
  STREAM_OUTPUT_BYTES,
  type StreamEncryptOptions,
  type StreamOutputOption,
} from './content/index.js';
export type { KeyCache } from './content/key-cache.js';
export {
  type DecryptOptions,
  EncryptionType,
  type EncryptOptions,
  type EncryptResult,
  type OaepHash,
  type RsaScheme,
} from './content/options.js';
export type { StreamDecryptOptions, StreamOptions } from './content/stream-header.js';
export type { UnwrapOptions } from './content/unwrap.js';
export type { EcCurve, HashName, PublicKey, SignatureEngine, SignatureScheme } from './engine/engine.js';
export type { AttestedFetchInit } from './guest/attested-fetch.js';
export type {
  AttestOptions,
  AttestParameters,
  GuestDecryptOptions,
  GuestDecryptorOptions,
  GuestJweOptions,
  GuestStreamOptions,
  KeyTemplateOption,
} from './guest/call-types.js';
export { AttestationClient } from './guest/client.js';
export type { AttestationClientOptions, KeyVaultDefaults } from './guest/client-options.js';
export type { EvidenceOptions } from './guest/evidence.js';
export type { ExtendPcrOptions } from './guest/extend-pcr.js';
export type { ProofHeaders, ProofRequest } from './guest/prove-request.js';
export type { ReleaseKeyParameters } from './guest/release-request.js';
export type { OwnTokenVerification } from './guest/token-verification.js';
export type { UnprotectSecretOptions } from './guest/unprotect-secret.js';
export type { OwnTransportOptions, TransportContext } from './http/own-transport.js';
export type { RetryOptions } from './http/retry.js';
export type { ExchangeLimits, HttpAnswer, HttpRequest, Transport } from './http/transport.js';
export type { ImdsOptions } from './imds/imds.js';
export type { KdsCallOptions, KdsContext, KdsOptions, KdsServiceClient } from './imds/kds.js';
export { chainUrl, crlUrl, DEFAULT_KDS_URL, type EndorsementKind, vcekUrl } from './imds/kds-url.js';
export type { AccessToken, ManagedIdentity } from './imds/managed-identity.js';
export type { FetchTdxCollateralOptions } from './imds/pcs.js';
export { CloudError } from './maa/cloud-error.js';
export type {
  AttestationResponse,
  CallOptions,
  MaaClientOptions,
  MaaServiceClient,
  OpenIdConfiguration,
  TokenCredential,
} from './maa/maa-client.js';
export { buildSevSnpVmRequest, type InitTimeData, type SevSnpVmRequestOptions } from './maa/sev-snp-evidence.js';
export type { AttestedData, AttestSevSnpVmRequest, DataType } from './maa/sev-snp-request.js';
export { type AttestTdxVmRequest, buildTdxVmRequest, type TdxVmRequestOptions } from './maa/tdx-request.js';
export { fetchTdxCollateral, fetchThimCertificates, KdsClient, MaaClient } from './node/services.js';
export { explainTdQuote, verifyTdQuote } from './node/td-quote.js';
export { explainToken, type NodeEncryptionKey, tokenEncryptionKey, verifyToken } from './node/token.js';
export { explainEvidence, explainSnpReport, verifyEvidence, verifySnpReport } from './node/verify.js';
export type { ReleaseAlgorithm, RsaDecrypt } from './release/algorithm.js';
export {
  RELEASE_REFUSALS,
  type ReleaseErrorCode,
  type ReleaseRefusalReason,
  ReleaseRefusedError,
  type VaultAnswerFacts,
  VaultUnavailableError,
} from './release/errors.js';
export type { JwsAlgorithm } from './release/jws.js';
export type { ReleaseResponseOptions } from './release/options.js';
export { buildReleasePolicy, type ReleasePolicyOptions } from './release/policy/build.js';
export { type EncodedReleasePolicy, encodeReleasePolicy } from './release/policy/encode.js';
export {
  type EvaluatedAuthority,
  type EvaluatedCondition,
  evaluateReleasePolicy,
  type ReleaseEvaluation,
} from './release/policy/evaluate.js';
export { explainReleasePolicy } from './release/policy/explain.js';
export { parseReleasePolicy } from './release/policy/parse.js';
export {
  type ClaimCondition,
  type ClaimValue,
  type ConditionGroup,
  PolicyError,
  type ReleaseAuthority,
  type ReleaseCondition,
  type ReleaseOperator,
  type ReleasePolicy,
} from './release/policy/policy.js';
export type { EcKeyCurve, ReleasedPublicKey } from './release/public-key.js';
export {
  explainReleaseResponse,
  type ReleaseVerification,
  unwrapReleasedKey,
  type VerifiedRelease,
  verifyReleaseResponse,
} from './release/release-response.js';
export type { KeyMaterial } from './release/released-key.js';
export { ReleasedKey, type ReleasedKeyFacts } from './release/released-key.js';
export type { Secret } from './release/secret.js';
export { SECRET_REFUSALS, type SecretErrorCode } from './release/secret-token.js';
export {
  KeyVaultClient,
  type KeyVaultClientOptions,
  type ReleaseAnswerValue,
  type ReleaseRequest,
} from './release/vault-client.js';
export type { SecretProtection } from './release/verify-secret.js';
export type { WrappingKeyInput } from './release/wrapping-key.js';
export * from './relying-party/index.js';
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
export type { EncryptionKey, EncryptionTarget, RsaPublicJwk } from './token/ephemeral-key.js';
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
export type { ParameterEncryption } from './tpm/native-tpm.js';
export type { KeyTemplate, PcrBank } from './tpm/types.js';
export { AZURE_VTPM_ROOT_KEYS } from './verify/azure-roots.js';
export type { BootFacts } from './verify/boot-facts.js';
export { CHECK_CODES, type CheckCode } from './verify/check-codes.js';
export { compareEventLog, type ReplayedEvent, type ReplayedEventLog } from './verify/check-event-log.js';
export type { EncryptionKeyJwk } from './verify/encryption-key.js';
export { diffPolicy, type PolicyDifference, policyFromEvidence } from './verify/learn-policy.js';
export type { SnpVerificationOptions, VerificationOptions } from './verify/options.js';
export {
  type GuestDemands,
  type HexValues,
  type MinimumTcb,
  parsePolicy,
  type SnpPolicy,
  type VerificationPolicy,
} from './verify/policy.js';
export type {
  CertificateFacts,
  EndorsementFacts,
  EvidenceFacts,
  RefusedEvidence,
  SnpCertificateFacts,
  SnpFacts,
  SnpReportVerification,
  TdxCertificateFacts,
  TdxFacts,
  VerificationFacts,
  VerificationResult,
  VerifiedEvidence,
  VerifiedSnpEvidence,
  VerifiedSnpReport,
  VerifiedTdxEvidence,
} from './verify/result.js';
export {
  AMD_ROOT_KEYS,
  INTEL_ROOT_KEY,
  type RootOf,
  type TrustedRoot,
  type TrustedRootInput,
} from './verify/roots.js';
export { AZURE_ID_KEYS } from './verify/snp/paravisor.js';
export type { SnpCertificates } from './verify/snp/verify-snp-report.js';
export type { TdQuoteOptions } from './verify/tdx/options.js';
export { AZURE_MRTDS } from './verify/tdx/paravisor.js';
export type { MaskedField, TdxPolicy } from './verify/tdx/policy.js';
export type { RefusedTdQuote, TdQuoteVerification, VerifiedTdQuote } from './verify/tdx/result.js';
export type { TdxTcb } from './verify/tdx/tcb.js';
export type { TcbShortfall, TcbStatus } from './verify/tdx/tcb-evaluation.js';
