import '../diagnostics-channels.js';
import '../node/advice.js';

export type { Product, Tcb } from '../abi/tcb.js';
export type { SimulatedCvmOptions } from './configuration.js';
export { appendWindowsEvents, type BootEvent, buildEventLog, type EventLog, linuxBoot } from './evidence/event-log.js';
export type { ForeignReport } from './evidence/foreign-guest.js';
export {
  bindingReportData,
  buildHclReport,
  type HclHash,
  type HclReportFields,
} from './evidence/hcl-report.js';
export { buildSnpReport, type SnpReportFields, signSnpReport } from './evidence/snp-report.js';
export type { Answer, Behaviour } from './http/behaviour.js';
export type { ReceivedRequest } from './http/loopback-server.js';
export { imdsPaths, type SimulatedImds } from './imds.js';
export { instanceMetadata, type MetadataValue } from './instance-metadata.js';
export { SimulatedKds } from './kds.js';
export { type VaultFault, type VaultFaultName, vaultFaults } from './key-vault/faults.js';
export {
  type AccessGrant,
  SimulatedIdentities,
  type SimulatedIdentity,
  simulatedIdentity,
} from './key-vault/identities.js';
export {
  type SimulatedKey,
  SimulatedKeyVault,
  type SimulatedKeyVaultOptions,
  type VaultPermission,
} from './key-vault/simulated-key-vault.js';
export type { SimulatedKeyOptions, VaultCurve, VaultKeyType } from './key-vault/stored-keys.js';
export { type FaultName, type NamedFault, namedFaults } from './named-faults.js';
export type { AkCertificateIndexOptions, CvmConfiguration, DetailedFaults } from './options.js';
export type { HclReportOptions } from './paravisor/paravisor.js';
export type { TpmProxy, TpmTrace, TracedCommand } from './paravisor/proxy.js';
export type { TpmFault, TpmFaultAction } from './paravisor/tpm-faults.js';
export { pcsPaths, SimulatedPcs } from './pcs.js';
export { AmdAuthority, type AmdAuthorityOptions, type LeafOptions, type SigningLeaf } from './pki/amd.js';
export type { Certificate } from './pki/certificate.js';
export { IntelAuthority, type IntelAuthorityOptions, type IntelSubordinate, type PckLeaf } from './pki/intel.js';
export { type KeyPair, keyFolderVariable } from './pki/key-pool.js';
export type { PckFields } from './pki/pck-extension.js';
export { ProvisioningAuthority } from './pki/provisioning-authority.js';
export { createLoopbackTls, type LoopbackTls, type LoopbackTlsOptions } from './pki/tls.js';
export { type PublishedKey, TokenSigner, unsignedToken } from './pki/token-signer.js';
export { type AkCertificateOptions, VtpmAuthority, type VtpmHierarchy } from './pki/vtpm.js';
export { SimulatedPublisher } from './publisher.js';
export type { ProtectSecretOptions } from './secrets/protect-secret.js';
export {
  type AttestationServiceOptions,
  attestationPaths,
  SimulatedAttestationService,
} from './service/attestation-service.js';
export type { EnvelopeOptions } from './service/envelope.js';
export { attestGuest, type GuestAttestation } from './service/guest-attestation.js';
export { type GuestRequest, parseGuestRequest } from './service/guest-request.js';
export { attestPlatform } from './service/platform-attestation.js';
export { ServiceRefusal } from './service/refusal.js';
export type { ServiceTrust } from './service/trust.js';
export { SimulatedCvm } from './simulated-cvm.js';
export {
  type CollateralFields,
  issueCollateral,
  type PlatformTcbStatus,
  type SimulatedTdxCollateral,
} from './tdx/collateral.js';
export { buildTdQuote, type QuoteSigner, type QuotingEnclave, type TdQuoteFields } from './tdx/td-quote.js';
export { buildTdReport, type TdReportFields } from './tdx/td-report.js';
export { type TdxOptions, TdxPlatform } from './tdx/tdx-platform.js';
export { guestKeyImportBlob } from './tpm/guest-key.js';
export type { SoftwareTpm } from './tpm/software-tpm.js';
export type { MachineVerification } from './verification.js';
