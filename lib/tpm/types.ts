/** PCR bank. The guest attestation protocol uses SHA-256 only. */
export type PcrBank = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export interface TpmCallOptions {
  /** Rejects at once with the signal's reason. A queued command is removed; one in flight is waited for by the queue. */
  signal?: AbortSignal;
}

export interface QuoteResult {
  /** TPMS_ATTEST, no size prefix. */
  message: Buffer;
  /** Raw RSASSA signature. */
  signature: Buffer;
}

/** The ephemeral key, certified by the attestation key. */
export interface CertifiedEphemeralKey {
  /** TPM2B_PUBLIC, with its 2-byte size. */
  publicArea: Buffer;
  /** TPMS_ATTEST of the TPM2_Certify, no size prefix. */
  certifyInfo: Buffer;
  /** Raw RSASSA signature over `certifyInfo`. */
  certifySignature: Buffer;
}

export type RsaDecryptScheme =
  | { scheme: 'RSAES' }
  | {
      scheme: 'RSA-OAEP';
      hash: 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';
      /** OAEP's label L, at most 64 bytes. A TPM takes one that ends with a zero byte, which belongs to it. Default: none. */
      label?: Uint8Array;
    };

/**
 * What stands in `unique` of the ephemeral key's template; each gives another key. The reference library fills it with
 * zeros, Microsoft's Rust and Python clients leave it empty.
 */
export type KeyTemplate = 'zeros' | 'empty';

/** Which ephemeral key: the one bound to these SHA-256 PCRs. Keys of different templates coexist. */
export interface EphemeralKeyChoice {
  pcrs: readonly number[];
  /** Default `'zeros'`. */
  keyTemplate?: KeyTemplate;
}

export interface TpmCapabilities {
  /** TPM_PT_MANUFACTURER, for instance `MSFT` or `IBM`. */
  manufacturer: string;
  /** TPM_PT_FIRMWARE_VERSION_1 in the upper, _2 in the lower 32 bits. */
  firmwareVersion: bigint;
  pcrCount: number;
  /** Most bytes in one NV_Read or NV_Write. */
  nvBufferMaximum: number;
  /** Allocated PCRs by bank; a bank with none is not allocated. */
  pcrBanks: { algorithm: PcrBank | number; pcrs: number[] }[];
  transientHandles: number[];
  loadedSessions: number[];
  /** Whether the connection goes through a resource manager (the kernel's or tpm2-abrmd). */
  resourceManager: boolean;
}

export type TpmHandleKind = 'transient' | 'loaded-session' | 'active-session' | 'persistent' | 'nv-index';
