/**
 * The whole native surface. Nothing in lib/ outside lib/native.ts loads it, and nothing here is public API.
 * Bytes are copied in before a call leaves the JavaScript thread unless a comment says otherwise.
 */

/** What every native failure looks like. */
export interface NativeError extends Error {
  /** See `ErrorKind` in cpp/core/error.h. */
  readonly kind:
    | 'invalid-argument'
    | 'tpm'
    | 'tpm-unavailable'
    | 'timeout'
    | 'aborted'
    | 'parse'
    | 'empty'
    | 'crypto'
    | 'internal';
  /** TSS2_RC, 0 when no TPM call failed. */
  readonly tpmErrorCode: number;
}

export interface Binding extends TpmBinding, CryptoBinding, SignatureBinding {
  /** Version of the libcrypto inside the addon. */
  readonly opensslVersion: string;
  /**
   * Id of the process that connected a Unix socket, 0 when it is in another namespace; undefined for a descriptor that is
   * not a Unix socket. Only lib/simulator uses it.
   */
  peerProcess(descriptor: number): number | undefined;
}

// --- TPM (cpp/binding/tpm*.cc) ---------------------------------------------------------------------------------------

export interface TpmBinding {
  readonly TpmClient: new (
    tcti: string,
    commandTimeoutMs: number,
    /** Key that salts protected sessions, and the TPM name that it must have (empty: any). Unprotected without. */
    saltKeyHandle?: number,
    saltKeyName?: Uint8Array,
  ) => NativeTpmClient;
}

/**
 * One TPM client: a thread and a queue in order of arrival. Only lib/tpm/native-tpm.ts uses it. The commands are those of
 * cpp/core/tpm/commands.h, in its order of arguments.
 *
 * `job` is a number of the caller's, from 1 up, that cancel() takes. Handles and NV indices are numbers as in the TPM
 * specification; algorithms are TPM_ALG_ID; bit n of a mask is PCR n; a key template is 0 for zeros in `unique`, 1 for an
 * empty one.
 */
export interface NativeTpmClient {
  readPcrs(job: number, bank: number, mask: number): Promise<{ index: number; digest: Buffer }[]>;
  extendPcr(job: number, index: number, bank: number, digest: Uint8Array): Promise<void>;
  /** What the banks were extended by; `index` is the bank. */
  eventPcr(job: number, index: number, data: Uint8Array): Promise<{ index: number; digest: Buffer }[]>;
  readPublic(job: number, handle: number): Promise<{ publicArea: Buffer; name: Buffer }>;
  nvRead(job: number, index: number): Promise<Buffer>;
  nvReadIfDefined(job: number, index: number): Promise<Buffer | undefined>;
  nvReadPublic(job: number, index: number): Promise<{ size: number; attributes: number } | undefined>;
  nvWrite(job: number, index: number, data: Uint8Array): Promise<void>;
  nvWriteThenRead(job: number, writeIndex: number, data: Uint8Array, readIndex: number): Promise<Buffer>;
  nvReplace(job: number, index: number, data: Uint8Array): Promise<void>;
  quote(
    job: number,
    keyHandle: number,
    qualifyingData: Uint8Array,
    bank: number,
    mask: number,
  ): Promise<{ message: Buffer; signature: Buffer }>;
  certifyEphemeralKey(
    job: number,
    keyHandle: number,
    mask: number,
    keyTemplate: number,
  ): Promise<{ publicArea: Buffer; certifyInfo: Buffer; certifySignature: Buffer }>;
  prepareDecrypt(job: number, mask: number, keyTemplate: number): Promise<void>;
  /** The label of OAEP ends with a zero byte, or there is none. */
  rsaDecrypt(
    job: number,
    ciphertext: Uint8Array,
    mask: number,
    keyTemplate: number,
    scheme: number,
    hash: number,
    label: Uint8Array,
  ): Promise<Buffer>;
  rsaDecryptSecret(
    job: number,
    ciphertext: Uint8Array,
    mask: number,
    keyTemplate: number,
    scheme: number,
    hash: number,
    label: Uint8Array,
  ): Promise<NativeSecretBuffer>;
  /** With a persistent key whose auth value is empty. */
  decryptSecretWith(
    job: number,
    keyHandle: number,
    ciphertext: Uint8Array,
    scheme: number,
    hash: number,
    label: Uint8Array,
  ): Promise<NativeSecretBuffer>;
  /** RSA-OAEP-256; undefined when the TPM refuses the block. */
  unwrapKey(job: number, wrapped: Uint8Array, mask: number, keyTemplate: number): Promise<Buffer | undefined>;
  /** Whether the key in the TPM is still the one that unwraps; what is stale is forgotten. Always the same commands. */
  confirmKey(job: number, mask: number, keyTemplate: number): Promise<boolean>;
  capabilities(job: number): Promise<{
    manufacturer: string;
    firmwareVersion: bigint;
    pcrCount: number;
    nvBufferMaximum: number;
    pcrBanks: { algorithm: number; mask: number }[];
    transientHandles: number[];
    loadedSessions: number[];
    resourceManager: boolean;
  }>;
  /** Handles from `first` on, within its range (TPM_HR). */
  handles(job: number, first: number): Promise<number[]>;
  /** Takes a queued job out: its promise rejects with kind `aborted`. False when it has started or ended. */
  cancel(job: number): boolean;
  close(): Promise<void>;
}

// --- Content encryption (cpp/binding/crypto*.cc) ---------------------------------------------------------------------

/**
 * Byte arguments are used in place, without a copy: Uint8Array only, never over shared memory. An asynchronous call keeps
 * them alive; they must not be changed or transferred until it settles. `output` is the input's own memory or does not
 * overlap it.
 */
export interface CryptoBinding {
  /**
   * Whether messages are split between cores: the self-test at load found that libcrypto's kernels on this processor allow
   * it. One thread each otherwise.
   */
  readonly parallel: boolean;
  /** Cores that this process may use. */
  readonly cores: number;
  /** Asks for huge pages where whole ones fit into memory that was not touched yet. */
  wantHugePages(memory: Uint8Array): void;
  /** What `work` returns or throws. Memory that is freed while it runs is overwritten (cpp/core/crypto/freed_memory.h). */
  readonly wipingWhatIsFreed: <Result>(work: () => Result) => Result;
  /** With what everybody may see: IVs. By the generator that makes the keys, which is at hand then; Node's is not. */
  fillRandomly(bytes: Uint8Array): void;
  /** An RSA public key set up for RSA-OAEP-256 once. Modulus and exponent big-endian. */
  readonly RsaPublicKey: new (
    modulus: Uint8Array,
    exponent: Uint8Array,
  ) => NativeRsaPublicKey;
  /** A random key, a copy of another one or of a secret of 32 bytes, or the 32 bytes given, which are zeroed. */
  readonly ContentKey: new (
    source?: NativeContentKey | NativeSecretBuffer | Uint8Array,
  ) => NativeContentKey;
  /** A copy of the bytes given, which are zeroed. */
  readonly SecretBuffer: new (
    bytes: Uint8Array,
  ) => NativeSecretBuffer;
  /** Derives a session's key from `key` and `info`; `limit` messages at most. */
  readonly SessionSealer: new (
    key: NativeContentKey,
    info: Uint8Array,
    limit: number,
  ) => NativeSessionSealer;
  readonly SessionOpener: new (
    key: NativeContentKey,
    info: Uint8Array,
    ordered: boolean,
    replayWindow: number,
  ) => NativeSessionOpener;
  /** C2SP chunked encryption with a random salt. */
  readonly ChunkSealer: new (
    key: NativeContentKey,
    context: Uint8Array,
  ) => NativeChunkSealer;
  /** Throws kind `crypto` when the commitment in `prefix` (salt and commitment, 56 bytes) is not the key's. */
  readonly ChunkOpener: new (
    key: NativeContentKey,
    prefix: Uint8Array,
    context: Uint8Array,
  ) => NativeChunkOpener;
}

/** Secret bytes in locked memory that core dumps leave out. They reach JavaScript by copy() alone. */
export interface NativeSecretBuffer {
  /** Bytes; 0 after destroy(). */
  readonly size: number;
  /** Whether the kernel let the memory be locked (RLIMIT_MEMLOCK). */
  readonly locked: boolean;
  /** The bytes, for the caller to zero. */
  copy(): Uint8Array;
  /**
   * Unwraps `wrapped` with this AES-256 key: AES key wrap with padding (RFC 5649). Throws kind `crypto` when it was not
   * wrapped with it, `invalid-argument` when this is not a key of 32 bytes.
   */
  unwrapWithPadding(wrapped: Uint8Array): NativeSecretBuffer;
  /** Zeroes the bytes. Later calls throw kind `aborted`. Safe twice. */
  destroy(): void;
}

export interface NativeRsaPublicKey {
  /** Bytes of the modulus. */
  readonly size: number;
}

/** A 32-byte AES-256-GCM key in locked memory that core dumps leave out. Its bytes never reach JavaScript. */
export interface NativeContentKey {
  /** Whether the kernel let the key's page be locked (RLIMIT_MEMLOCK). */
  readonly locked: boolean;
  /** RSA-OAEP-256 of the key, as long as the modulus. */
  wrap(publicKey: NativeRsaPublicKey): Buffer;
  /** Writes the ciphertext, as long as `input`, and the 16-byte tag. `iv` has 12 bytes. */
  seal(iv: Uint8Array, aad: Uint8Array, tag: Uint8Array, input: Uint8Array, output: Uint8Array, threads?: number): void;
  sealAsync(
    iv: Uint8Array,
    aad: Uint8Array,
    tag: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    threads?: number,
  ): Promise<void>;
  /** Writes the plaintext; on a wrong tag zeroes `output` and throws kind `crypto`. */
  open(iv: Uint8Array, aad: Uint8Array, tag: Uint8Array, input: Uint8Array, output: Uint8Array, threads?: number): void;
  openAsync(
    iv: Uint8Array,
    aad: Uint8Array,
    tag: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    threads?: number,
  ): Promise<void>;
  /** Seals another key: 32 bytes of ciphertext and the tag. */
  sealKey(iv: Uint8Array, aad: Uint8Array, key: NativeContentKey): Buffer;
  /** Opens what sealKey made into `into`, whose former value is dropped. */
  openKey(iv: Uint8Array, aad: Uint8Array, tag: Uint8Array, ciphertext: Uint8Array, into: NativeContentKey): void;
  /** Zeroes the key. Later calls throw kind `aborted`. Safe twice. */
  destroy(): void;
}

/** Messages grow by 24 bytes. Outputs never overlap messages. */
export interface NativeSessionSealer {
  /** Messages so far. */
  readonly sent: number;
  /** Bytes written to `output`, which may be longer. `last` ends an ordered session. */
  seal(message: Uint8Array, output: Uint8Array, last?: boolean): number;
  sealAsync(message: Uint8Array, output: Uint8Array, threads?: number): Promise<void>;
  /** On all cores; `output` takes all results one behind the other. */
  sealMany(messages: readonly Uint8Array[], output: Uint8Array): void;
  sealPacked(packed: Uint8Array, lengths: Uint32Array, output: Uint8Array, threads?: number): Promise<void>;
  destroy(): void;
}

/** What does not open throws kind `crypto`, with the output zeroed. */
export interface NativeSessionOpener {
  /** Whether the last message of an ordered session was opened. */
  readonly finished: boolean;
  open(message: Uint8Array, output: Uint8Array): number;
  openAsync(message: Uint8Array, output: Uint8Array, threads?: number): Promise<void>;
  /** All or nothing. */
  openMany(messages: readonly Uint8Array[], output: Uint8Array): void;
  openPacked(packed: Uint8Array, lengths: Uint32Array, output: Uint8Array, threads?: number): Promise<void>;
  destroy(): void;
}

/** Outputs have exactly the size announced. Runs on all cores, the calling thread among them. */
export interface NativeChunkSealer {
  /** Salt and commitment, 56 bytes. */
  readonly prefix: Buffer;
  updateSize(inputSize: number): number;
  update(input: Uint8Array, output: Uint8Array): number;
  readonly finishSize: number;
  /** Writes the last chunk and destroys the key. */
  finish(output: Uint8Array): number;
  destroy(): void;
}

/** After the first failure every call throws kind `crypto`. */
export interface NativeChunkOpener {
  updateSize(inputSize: number): number;
  update(input: Uint8Array, output: Uint8Array): number;
  readonly finishSize: number;
  finish(output: Uint8Array): number;
  /** Opens whole sealed chunks from number `first` on; only the stream's last chunk may be shorter. */
  openAt(first: number, input: Uint8Array, output: Uint8Array): void;
  destroy(): void;
}

// --- Signatures (cpp/binding/signature.cc) ---------------------------------------------------------------------------

/**
 * Verification over given keys and bytes, synchronous. Names as in lib/engine/engine.ts. Byte arguments are read in place,
 * never over shared memory (kind `invalid-argument`): who verifies has copied them before.
 */
export interface SignatureBinding {
  /**
   * A key that was parsed once. `rsa`: modulus and exponent, big-endian, 1024 to 8192 bits; a curve: coordinates,
   * big-endian, as long as the field. Throws kind `crypto` for a key that is none: a point that is not on its curve, an
   * even exponent.
   */
  readonly PublicKey: new (
    type: 'rsa' | 'P-256' | 'P-384' | 'P-521',
    nOrX: Uint8Array,
    eOrY: Uint8Array,
  ) => NativePublicKey;
  digest(hash: 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512', data: Uint8Array): Uint8Array;
}

export interface NativePublicKey {
  /**
   * Whether this key made `signature` over `message`; no bytes make it throw. ECDSA signatures are r and s, big-endian, each
   * as long as the field. `saltLength`, in bytes, is for `rsa-pss` and exact. A scheme that is not for this type of key
   * throws kind `invalid-argument`.
   */
  verify(
    scheme: 'ecdsa' | 'rsa-pkcs1' | 'rsa-pss',
    hash: 'SHA-256' | 'SHA-384' | 'SHA-512',
    message: Uint8Array,
    signature: Uint8Array,
    saltLength?: number,
  ): boolean;
}
