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
  | { scheme: 'RSA-OAEP'; hash: 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512' };

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

/**
 * The TPM operations that the guest protocol needs: one client, one TPM connection, one worker thread, one queue in
 * order of arrival. Every method rejects with a NativeError (see binding.d.ts): kind `tpm` carries the TSS2_RC.
 */
export interface GuestTpm {
  /** Values of the given PCRs in ascending order; an index whose bank is not allocated is an error. */
  readPcrs(bank: PcrBank, indices: readonly number[], options?: TpmCallOptions): Promise<Map<number, Buffer>>;
  /** TPM2B_PUBLIC (with size) and name of a loaded or persistent object. */
  readPublic(handle: number, options?: TpmCallOptions): Promise<{ publicArea: Buffer; name: Buffer }>;
  /** Whole NV index, owner authorisation, chunked by the TPM's own limit, chunks back to back. */
  nvRead(index: number, options?: TpmCallOptions): Promise<Buffer>;
  /** The same, in the same commands; undefined when the index is not defined. */
  nvReadIfDefined(index: number, options?: TpmCallOptions): Promise<Buffer | undefined>;
  /** Size in bytes and TPMA_NV of an index, undefined when it is not defined. */
  nvReadPublic(index: number, options?: TpmCallOptions): Promise<{ size: number; attributes: number } | undefined>;
  /** Writes `data` at offset 0 of an index; defines it (owner and auth read and write) when it does not exist. */
  nvWrite(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void>;
  /** Undefines the index, defines it with the size of `data` and writes it: how the AK certificate is replaced. */
  nvReplace(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void>;
  /**
   * Writes one index and reads another with no command of this process in between: how the paravisor is asked for a
   * report over fresh user data (NV 0x01400002, then 0x01400001).
   */
  nvWriteThenRead(
    request: { writeIndex: number; data: Uint8Array; readIndex: number },
    options?: TpmCallOptions,
  ): Promise<Buffer>;
  quote(
    request: { keyHandle: number; qualifyingData: Uint8Array; bank: PcrBank; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<QuoteResult>;
  /** Makes (or finds still loaded) the ephemeral key bound to the SHA-256 PCRs given, and certifies it with the AK. */
  certifyEphemeralKey(
    request: { keyHandle: number; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<CertifiedEphemeralKey>;
  /**
   * Has the TPM authorise the next rsaDecrypt under these PCRs ahead of it, while its ciphertext is still on the way. The
   * call makes no difference to that one but in time: what is amiss with the key, it finds and mends itself.
   */
  prepareDecrypt(request: { pcrs: readonly number[] }, options?: TpmCallOptions): Promise<void>;
  /** RSA_Decrypt with the ephemeral key bound to the PCRs given; the key is made anew when it is stale. */
  rsaDecrypt(
    request: { ciphertext: Uint8Array; pcrs: readonly number[]; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<Buffer>;
  /**
   * Unwraps a content key (RSA-OAEP-256) with the ephemeral key bound to the PCRs given; undefined when the TPM refuses the
   * block. Then, and when nothing opens with the key, the caller asks {@link confirmKey}: the TPM gets the same commands
   * whatever was wrong.
   */
  unwrapKey(
    request: { wrapped: Uint8Array; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<Buffer | undefined>;
  /** Whether the ephemeral key is still the one in the TPM. False: what was stale is forgotten, unwrapping may go well now. */
  confirmKey(pcrs: readonly number[], options?: TpmCallOptions): Promise<boolean>;
  /** What the TPM can do and what it holds, for diagnosis. */
  capabilities(options?: TpmCallOptions): Promise<TpmCapabilities>;
  /** Handles of a kind that exist in the TPM, as far as this connection may see them. */
  handles(kind: TpmHandleKind, options?: TpmCallOptions): Promise<number[]>;
  /** Flushes what is loaded and ends the thread. Queued calls reject. Safe to call twice. */
  close(): Promise<void>;
}
