import type { RuntimeClaims, RuntimeClaimsKey } from '../abi/runtime-claims.js';
import type { TdxClaims } from './tdx-claims.js';

/** The three kinds of token: of a guest, or of the platform alone, on SEV-SNP or TDX. */
export type AttestationType = 'azurevm' | 'sevsnpvm' | 'tdxvm';
/** The hardware that a confidential VM runs on. */
export type Tee = 'snp' | 'tdx';

/** Claims about the SEV-SNP guest; digests and identities in lower-case hex. */
export interface SevSnpClaims {
  'x-ms-compliance-status'?: string;
  /** Init-time data of the request, when given as JSON. */
  'x-ms-inittime'?: unknown;
  'x-ms-runtime'?: Partial<RuntimeClaims>;
  /** Digest of the author key, 48 bytes; zero when there is none. */
  'x-ms-sevsnpvm-authorkeydigest'?: string;
  'x-ms-sevsnpvm-bootloader-svn'?: number;
  /** 16 bytes. */
  'x-ms-sevsnpvm-familyId'?: string;
  'x-ms-sevsnpvm-guestsvn'?: number;
  /** 32 bytes: SHA-256 of the init-time data. */
  'x-ms-sevsnpvm-hostdata'?: string;
  /** Digest of the key that signed the image's ID block, 48 bytes. */
  'x-ms-sevsnpvm-idkeydigest'?: string;
  /** 16 bytes. */
  'x-ms-sevsnpvm-imageId'?: string;
  'x-ms-sevsnpvm-is-debuggable'?: boolean;
  /** 48 bytes. */
  'x-ms-sevsnpvm-launchmeasurement'?: string;
  'x-ms-sevsnpvm-microcode-svn'?: number;
  'x-ms-sevsnpvm-migration-allowed'?: boolean;
  /** 64 bytes: SHA-256 of the runtime data, then zeros. */
  'x-ms-sevsnpvm-reportdata'?: string;
  /** 32 bytes. */
  'x-ms-sevsnpvm-reportid'?: string;
  'x-ms-sevsnpvm-smt-allowed'?: boolean;
  'x-ms-sevsnpvm-snpfw-svn'?: number;
  'x-ms-sevsnpvm-tee-svn'?: number;
  'x-ms-sevsnpvm-vmpl'?: number;
}

/** Claims of every token that the service issues. Times are seconds since 1970. */
export interface CommonClaims {
  iss: string;
  exp: number;
  iat?: number;
  nbf?: number;
  jti?: string;
  /** SHA-256 of the policy that the service evaluated, base64url. */
  'x-ms-policy-hash'?: string;
  'x-ms-ver'?: string;
  /** Whatever else the token carries, as it came. */
  [claim: string]: unknown;
}

/** Runtime claims of a guest attestation token. */
export interface GuestRuntimeClaims {
  /** What the guest gave as client payload; each value base64 of its UTF-8 text. */
  'client-payload'?: Record<string, string>;
  /** The TPM's key, kid `TpmEphemeralEncryptionKey`. */
  keys?: RuntimeClaimsKey[];
  [member: string]: unknown;
}

/** The SEV-SNP hardware behind a guest attestation token: the platform's own claims, nested. */
export interface SnpIsolationClaims extends SevSnpClaims {
  'x-ms-attestation-type': 'sevsnpvm';
  [claim: string]: unknown;
}

/** The same on TDX. */
export interface TdxIsolationClaims extends TdxClaims {
  'x-ms-attestation-type': 'tdxvm';
  [claim: string]: unknown;
}

/** The hardware behind a guest attestation token. */
export type IsolationTeeClaims<T extends Tee = Tee> = { snp: SnpIsolationClaims; tdx: TdxIsolationClaims }[T];

/**
 * Token of `POST /attest/AzureGuest`: the guest's boot, attested through the vTPM, with the hardware nested in it.
 *
 * Source: guest attestation for confidential VMs, "JSON web token".
 */
export interface GuestAttestationClaims<T extends Tee = Tee> extends CommonClaims {
  'x-ms-attestation-type': 'azurevm';
  /** Secure boot as measured in the event log. */
  secureboot?: boolean;
  'x-ms-azurevm-attestation-protocol-ver'?: string;
  'x-ms-azurevm-attested-pcrs'?: number[];
  'x-ms-azurevm-bootdebug-enabled'?: boolean;
  'x-ms-azurevm-dbvalidated'?: boolean;
  'x-ms-azurevm-dbxvalidated'?: boolean;
  'x-ms-azurevm-debuggersdisabled'?: boolean;
  'x-ms-azurevm-default-securebootkeysvalidated'?: boolean;
  'x-ms-azurevm-elam-enabled'?: boolean;
  'x-ms-azurevm-flightsigning-enabled'?: boolean;
  'x-ms-azurevm-hvci-policy'?: number;
  'x-ms-azurevm-hypervisordebug-enabled'?: boolean;
  'x-ms-azurevm-is-windows'?: boolean;
  'x-ms-azurevm-kerneldebug-enabled'?: boolean;
  'x-ms-azurevm-osbuild'?: string;
  'x-ms-azurevm-osdistro'?: string;
  'x-ms-azurevm-ostype'?: string;
  'x-ms-azurevm-osversion-major'?: number;
  'x-ms-azurevm-osversion-minor'?: number;
  'x-ms-azurevm-signingdisabled'?: boolean;
  'x-ms-azurevm-testsigning-enabled'?: boolean;
  'x-ms-azurevm-vmid'?: string;
  'x-ms-isolation-tee': IsolationTeeClaims<T>;
  'x-ms-runtime'?: GuestRuntimeClaims;
}

/**
 * Token of `POST /attest/SevSnpVm`: the hardware's claims at top level.
 *
 * Source: Attestation - Attest Sev Snp Vm, REST API 2022-08-01.
 */
export interface PlatformAttestationClaims extends CommonClaims, SevSnpClaims {
  'x-ms-attestation-type': 'sevsnpvm';
  /** The `nonce` of the request. */
  nonce?: string;
}

/**
 * Token of `POST /attest/TdxVm`: the hardware's claims at top level.
 *
 * Source: Attestation - Attest Tdx Vm, REST API 2025-06-01.
 */
export interface TdxPlatformAttestationClaims extends CommonClaims, TdxClaims {
  'x-ms-attestation-type': 'tdxvm';
  /** The `nonce` of the request. */
  nonce?: string;
}

/**
 * Claims of a verified token. `x-ms-attestation-type` tells which of the three shapes it is; `verifyToken` narrows the type
 * by the options `attestationType` and `tee`.
 */
export type AttestationClaims<Type extends AttestationType = AttestationType, T extends Tee = Tee> = {
  azurevm: GuestAttestationClaims<T>;
  sevsnpvm: PlatformAttestationClaims;
  tdxvm: TdxPlatformAttestationClaims;
}[Type];
