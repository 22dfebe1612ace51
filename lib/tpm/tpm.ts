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
  /** Size in bytes and TPMA_NV of an index, undefined when it is not defined. */
  nvReadPublic(index: number, options?: TpmCallOptions): Promise<{ size: number; attributes: number } | undefined>;
  /** Writes `data` at offset 0 of an index; defines it (owner and auth read and write) when it does not exist. */
  nvWrite(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void>;
  /** Undefines the index, defines it with the size of `data` and writes it: how the AK certificate is replaced. */
  nvReplace(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void>;
  quote(
    request: { keyHandle: number; qualifyingData: Uint8Array; bank: PcrBank; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<QuoteResult>;
  /** Makes (or finds still loaded) the ephemeral key bound to the SHA-256 PCRs given, and certifies it with the AK. */
  certifyEphemeralKey(
    request: { keyHandle: number; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<CertifiedEphemeralKey>;
  /** RSA_Decrypt with the ephemeral key bound to the PCRs given; the key is made anew when it is stale. */
  rsaDecrypt(
    request: { ciphertext: Uint8Array; pcrs: readonly number[]; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<Buffer>;
  /** Flushes what is loaded and ends the thread. Queued calls reject. Safe to call twice. */
  close(): Promise<void>;
}
