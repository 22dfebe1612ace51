import { types } from 'node:util';
import type { NativeSecretBuffer, NativeTpmClient } from '../../binding.js';
import { onAbort } from '../base/abort.js';
import { traced } from '../base/tracing.js';
import { type NativeError, native } from '../native.js';
import { BANKS, bankName, HANDLE_RANGES, keyArguments, pcrMask, pcrsOf, schemeArguments } from './arguments.js';
import { requireTpmDevice } from './tcti-device.js';
import type {
  CertifiedEphemeralKey,
  EphemeralKeyChoice,
  PcrBank,
  QuoteResult,
  RsaDecryptScheme,
  TpmCallOptions,
  TpmCapabilities,
  TpmHandleKind,
} from './types.js';

/** TCTI string that is used when neither the caller nor the environment variable TSS2_TCTI names one. */
export const DEFAULT_TCTI = 'device:/dev/tpmrm0';

export interface NativeTpmOptions {
  /** tpm2-tss TCTI string. Default: the environment variable `TSS2_TCTI`, else `device:/dev/tpmrm0`. */
  tcti?: string;
  /**
   * How long the TPM may take for one command, in milliseconds; a call whose command takes longer rejects with kind
   * `timeout`. Waiting in the queue does not count. Default 30,000.
   */
  commandTimeoutMs?: number;
  /**
   * Encrypts what RSA_Decrypt answers between the TPM and this process, and authenticates command and answer: a salted
   * policy session with AES-128-CFB. For a TPM whose transport is not trusted; in a confidential VM the way to the vTPM
   * is inside what the hardware protects. Default false, as the reference client does it.
   */
  parameterEncryption?: boolean | ParameterEncryption;
}

/** Key that the salt of protected sessions is encrypted to. */
export interface ParameterEncryption {
  /** Persistent RSA key with nameAlg SHA-256. Default 0x81010001, the endorsement key. */
  keyHandle?: number;
  /**
   * Name of that key in the TPM's sense (`000b` and the SHA-256 of its TPMT_PUBLIC), from a source that is trusted: then
   * somebody between this process and the TPM who changes what passes is kept out, too. Default: any key that the TPM
   * shows, which keeps out only who listens.
   */
  keyName?: Uint8Array;
}

const EK_HANDLE = 0x8101_0001;
const DEFAULT_COMMAND_TIMEOUT_MS = 30_000;

/** What the guest protocol needs of a TPM. */
export type GuestTpm = Pick<NativeTpm, keyof NativeTpm>;

/**
 * The TPM operations that the guest protocol needs, on tpm2-tss through the native addon: one client, one TPM connection,
 * one worker thread, one queue in order of arrival. Nothing is opened before the first call. Every method rejects with a
 * NativeError (see binding.d.ts): kind `tpm` carries the TSS2_RC.
 */
export class NativeTpm {
  readonly #tcti: string;
  readonly #commandTimeoutMs: number;
  readonly #saltKey: { handle: number; name: Uint8Array } | undefined;
  #client: NativeTpmClient | undefined;
  #closed = false;
  #lastJob = 0;

  constructor(options: NativeTpmOptions = {}) {
    this.#tcti = options.tcti ?? (process.env.TSS2_TCTI || DEFAULT_TCTI);
    const { parameterEncryption = false } = options;
    const { keyHandle = EK_HANDLE, keyName = new Uint8Array() } =
      typeof parameterEncryption === 'object' ? parameterEncryption : {};
    this.#saltKey = parameterEncryption === false ? undefined : { handle: keyHandle, name: keyName };
    this.#commandTimeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    if (!Number.isInteger(this.#commandTimeoutMs) || this.#commandTimeoutMs < 1) {
      throw new RangeError('commandTimeoutMs must be a positive integer');
    }
  }

  /** Values of the given PCRs in ascending order; an index whose bank is not allocated is an error. */
  async readPcrs(bank: PcrBank, indices: readonly number[], options?: TpmCallOptions): Promise<Map<number, Buffer>> {
    const mask = pcrMask(indices);
    const values = await this.#run('readPcrs', options, (client, job) => client.readPcrs(job, BANKS[bank], mask));
    return new Map(values.map(({ index, digest }) => [index, digest]));
  }

  /**
   * TPM2_PCR_Event: extends every allocated bank of a PCR by its own hash of `data`, at most 1,024 bytes, once: when the
   * TPM's answer gets lost, the call rejects.
   *
   * A PCR that the platform keeps from its guest (17 to 22) is refused with TPM_RC_LOCALITY (0x907) and a message that
   * says so.
   *
   * @returns what the banks were extended by
   */
  async eventPcr(
    request: { index: number; data: Uint8Array },
    options?: TpmCallOptions,
  ): Promise<Map<PcrBank | number, Buffer>> {
    pcrMask([request.index]);
    const digests = await this.#run('eventPcr', options, (client, job) =>
      client.eventPcr(job, request.index, request.data),
    );
    return new Map(digests.map(({ index, digest }) => [bankName(index), digest]));
  }

  /** TPM2_PCR_Extend: extends one bank of a PCR by a digest of its own length, once, as {@link eventPcr} does. */
  async extendPcr(
    request: { index: number; bank: PcrBank; digest: Uint8Array },
    options?: TpmCallOptions,
  ): Promise<void> {
    pcrMask([request.index]);
    return this.#run('extendPcr', options, (client, job) =>
      client.extendPcr(job, request.index, BANKS[request.bank], request.digest),
    );
  }

  /** TPM2B_PUBLIC (with size) and name of a loaded or persistent object. */
  readPublic(handle: number, options?: TpmCallOptions): Promise<{ publicArea: Buffer; name: Buffer }> {
    return this.#run('readPublic', options, (client, job) => client.readPublic(job, handle));
  }

  /** Whole NV index, owner authorization, chunked by the TPM's own limit, chunks back to back. */
  nvRead(index: number, options?: TpmCallOptions): Promise<Buffer> {
    return this.#run('nvRead', options, (client, job) => client.nvRead(job, index));
  }

  /** The same, in the same commands; undefined when the index is not defined. */
  nvReadIfDefined(index: number, options?: TpmCallOptions): Promise<Buffer | undefined> {
    return this.#run('nvReadIfDefined', options, (client, job) => client.nvReadIfDefined(job, index));
  }

  /** Size in bytes and TPMA_NV of an index, undefined when it is not defined. */
  nvReadPublic(index: number, options?: TpmCallOptions): Promise<{ size: number; attributes: number } | undefined> {
    return this.#run('nvReadPublic', options, (client, job) => client.nvReadPublic(job, index));
  }

  /** Writes `data` at offset 0 of an index; defines it (owner and auth read and write) when it does not exist. */
  nvWrite(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void> {
    return this.#run('nvWrite', options, (client, job) => client.nvWrite(job, index, data));
  }

  /**
   * Writes one index and reads another with no command of this process in between: how the paravisor is asked for a
   * report over fresh user data (NV 0x01400002, then 0x01400001).
   */
  nvWriteThenRead(
    request: { writeIndex: number; data: Uint8Array; readIndex: number },
    options?: TpmCallOptions,
  ): Promise<Buffer> {
    const { writeIndex, data, readIndex } = request;
    return this.#run('nvWriteThenRead', options, (client, job) =>
      client.nvWriteThenRead(job, writeIndex, data, readIndex),
    );
  }

  /** Undefines the index, defines it with the size of `data` and writes it: how the AK certificate is replaced. */
  nvReplace(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void> {
    return this.#run('nvReplace', options, (client, job) => client.nvReplace(job, index, data));
  }

  async quote(
    request: { keyHandle: number; qualifyingData: Uint8Array; bank: PcrBank; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<QuoteResult> {
    const { keyHandle, qualifyingData, bank } = request;
    const mask = pcrMask(request.pcrs);
    return this.#run('quote', options, (client, job) =>
      client.quote(job, keyHandle, qualifyingData, BANKS[bank], mask),
    );
  }

  /** Makes (or finds still loaded) the ephemeral key bound to the SHA-256 PCRs given, and certifies it with the AK. */
  async certifyEphemeralKey(
    request: EphemeralKeyChoice & { keyHandle: number },
    options?: TpmCallOptions,
  ): Promise<CertifiedEphemeralKey> {
    const key = keyArguments(request);
    return this.#run('certifyEphemeralKey', options, (client, job) =>
      client.certifyEphemeralKey(job, request.keyHandle, ...key),
    );
  }

  /**
   * Has the TPM authorize the next rsaDecrypt under these PCRs ahead of it, while its ciphertext is still on the way. The
   * call makes no difference to that one but in time: what is amiss with the key, it finds and mends itself.
   */
  async prepareDecrypt(request: EphemeralKeyChoice, options?: TpmCallOptions): Promise<void> {
    const key = keyArguments(request);
    return this.#run('prepareDecrypt', options, (client, job) => client.prepareDecrypt(job, ...key));
  }

  /** RSA_Decrypt with the ephemeral key bound to the PCRs given; the key is made again when it is stale. */
  async rsaDecrypt(
    request: EphemeralKeyChoice & { ciphertext: Uint8Array; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<Buffer> {
    const key = keyArguments(request);
    const scheme = schemeArguments(request.scheme);
    return this.#run('rsaDecrypt', options, (client, job) =>
      client.rsaDecrypt(job, request.ciphertext, ...key, ...scheme),
    );
  }

  /** The same into native memory: the plaintext is a key that JavaScript need not see. */
  async rsaDecryptSecret(
    request: EphemeralKeyChoice & { ciphertext: Uint8Array; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<NativeSecretBuffer> {
    const key = keyArguments(request);
    const scheme = schemeArguments(request.scheme);
    return this.#run('rsaDecryptSecret', options, (client, job) =>
      client.rsaDecryptSecret(job, request.ciphertext, ...key, ...scheme),
    );
  }

  /**
   * RSA_Decrypt with a persistent key whose auth value is empty, such as the guest key 0x81000004 of secrets that were
   * provisioned. The first use of such a key after a TPM start is answered TPM_RC_RETRY, and repeated here.
   */
  async decryptSecretWith(
    request: { keyHandle: number; ciphertext: Uint8Array; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<NativeSecretBuffer> {
    const scheme = schemeArguments(request.scheme);
    return this.#run('decryptSecretWith', options, (client, job) =>
      client.decryptSecretWith(job, request.keyHandle, request.ciphertext, ...scheme),
    );
  }

  /**
   * Unwraps a content key (RSA-OAEP-256) with the ephemeral key bound to the PCRs given; undefined when the TPM refuses the
   * block. Then, and when nothing opens with the key, the caller asks {@link confirmKey}: the TPM gets the same commands
   * whatever was wrong.
   */
  async unwrapKey(
    request: EphemeralKeyChoice & { wrapped: Uint8Array },
    options?: TpmCallOptions,
  ): Promise<Buffer | undefined> {
    const key = keyArguments(request);
    return this.#run('unwrapKey', options, (client, job) => client.unwrapKey(job, request.wrapped, ...key));
  }

  /** Whether the ephemeral key is still the one in the TPM. False: what was stale is forgotten, unwrapping may go well now. */
  async confirmKey(request: EphemeralKeyChoice, options?: TpmCallOptions): Promise<boolean> {
    const key = keyArguments(request);
    return this.#run('confirmKey', options, (client, job) => client.confirmKey(job, ...key));
  }

  /** What the TPM can do and what it holds, for diagnosis. */
  async capabilities(options?: TpmCallOptions): Promise<TpmCapabilities> {
    const { pcrBanks, ...rest } = await this.#run('capabilities', options, (client, job) => client.capabilities(job));
    return {
      ...rest,
      pcrBanks: pcrBanks.map(({ algorithm, mask }) => ({ algorithm: bankName(algorithm), pcrs: pcrsOf(mask) })),
    };
  }

  /** Handles of a kind that exist in the TPM, as far as this connection may see them. */
  handles(kind: TpmHandleKind, options?: TpmCallOptions): Promise<number[]> {
    return this.#run('handles', options, (client, job) => client.handles(job, HANDLE_RANGES[kind]));
  }

  /** Flushes what is loaded and ends the thread. Queued calls reject. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.close();
  }

  /** Starts a job, which waits for the jobs before it, and lets the caller's signal win over it. */
  #run<T>(
    name: keyof GuestTpm,
    options: TpmCallOptions | undefined,
    start: (client: NativeTpmClient, job: number) => Promise<T>,
  ): Promise<T> {
    return traced({ name: `tpm.${name}` }, () => this.#start(options, start));
  }

  /** Nothing is opened yet: the first job does that. */
  #open(): NativeTpmClient {
    requireTpmDevice(this.#tcti);
    const { TpmClient } = native();
    return new TpmClient(this.#tcti, this.#commandTimeoutMs, this.#saltKey?.handle, this.#saltKey?.name);
  }

  async #start<T>(
    options: TpmCallOptions | undefined,
    start: (client: NativeTpmClient, job: number) => Promise<T>,
  ): Promise<T> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    if (this.#closed) throw closedError();
    this.#client ??= this.#open();
    const client = this.#client;
    this.#lastJob = (this.#lastJob % 0xffff_ffff) + 1;
    const job = this.#lastJob;
    const result = start(client, job);
    if (signal === undefined) return result;
    return new Promise<T>((resolve, reject) => {
      const ignore = onAbort(signal, () => {
        if (!client.cancel(job)) result.then(zero, () => {});
        reject(signal.reason);
      });
      result.then(resolve, reject).finally(ignore);
    });
  }
}

/** What comes when nobody waits for it any more may be a key. */
function zero(result: unknown): void {
  if (types.isUint8Array(result)) result.fill(0);
  else if (result instanceof native().SecretBuffer) result.destroy();
}

function closedError(): NativeError {
  return Object.assign(new Error('the TPM client is closed'), { kind: 'aborted', tpmErrorCode: 0 } as const);
}
