import { types } from 'node:util';
import type { NativeTpmClient } from '../../binding.js';
import { traced } from '../base/tracing.js';
import { type NativeError, native } from '../native.js';
import { onAbort } from './on-abort.js';
import type {
  CertifiedEphemeralKey,
  GuestTpm,
  PcrBank,
  QuoteResult,
  RsaDecryptScheme,
  TpmCallOptions,
  TpmCapabilities,
  TpmHandleKind,
} from './tpm.js';

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

/** TPM_ALG_ID of the PCR banks. */
const BANKS = { sha1: 0x0004, sha256: 0x000b, sha384: 0x000c, sha512: 0x000d } as const satisfies Record<
  PcrBank,
  number
>;
const HASHES = { 'SHA-1': 0x0004, 'SHA-256': 0x000b, 'SHA-384': 0x000c, 'SHA-512': 0x000d } as const;
const TPM_ALG_NULL = 0x0010;
const TPM_ALG_RSAES = 0x0015;
const TPM_ALG_OAEP = 0x0017;
/** First handle of each kind's range (TPM 2.0 part 2, section 7.4). */
const HANDLE_RANGES: Record<TpmHandleKind, number> = {
  'nv-index': 0x0100_0000,
  'loaded-session': 0x0200_0000,
  'active-session': 0x0300_0000,
  transient: 0x8000_0000,
  persistent: 0x8100_0000,
};
const EK_HANDLE = 0x8101_0001;
const PCR_COUNT = 24;
const DEFAULT_COMMAND_TIMEOUT_MS = 30_000;

/** {@link GuestTpm} on tpm2-tss, through the native addon. Nothing is opened before the first call. */
export class NativeTpm implements GuestTpm {
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

  async readPcrs(bank: PcrBank, indices: readonly number[], options?: TpmCallOptions): Promise<Map<number, Buffer>> {
    const mask = pcrMask(indices);
    const values = await this.#run('readPcrs', options, (client, job) => client.readPcrs(job, BANKS[bank], mask));
    return new Map(values.map(({ index, digest }) => [index, digest]));
  }

  readPublic(handle: number, options?: TpmCallOptions): Promise<{ publicArea: Buffer; name: Buffer }> {
    return this.#run('readPublic', options, (client, job) => client.readPublic(job, handle));
  }

  nvRead(index: number, options?: TpmCallOptions): Promise<Buffer> {
    return this.#run('nvRead', options, (client, job) => client.nvRead(job, index));
  }

  nvReadIfDefined(index: number, options?: TpmCallOptions): Promise<Buffer | undefined> {
    return this.#run('nvReadIfDefined', options, (client, job) => client.nvReadIfDefined(job, index));
  }

  nvReadPublic(index: number, options?: TpmCallOptions): Promise<{ size: number; attributes: number } | undefined> {
    return this.#run('nvReadPublic', options, (client, job) => client.nvReadPublic(job, index));
  }

  nvWrite(index: number, data: Uint8Array, options?: TpmCallOptions): Promise<void> {
    return this.#run('nvWrite', options, (client, job) => client.nvWrite(job, index, data));
  }

  nvWriteThenRead(
    request: { writeIndex: number; data: Uint8Array; readIndex: number },
    options?: TpmCallOptions,
  ): Promise<Buffer> {
    const { writeIndex, data, readIndex } = request;
    return this.#run('nvWriteThenRead', options, (client, job) =>
      client.nvWriteThenRead(job, writeIndex, data, readIndex),
    );
  }

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

  async certifyEphemeralKey(
    request: { keyHandle: number; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<CertifiedEphemeralKey> {
    const mask = pcrMask(request.pcrs);
    return this.#run('certifyEphemeralKey', options, (client, job) =>
      client.certifyEphemeralKey(job, request.keyHandle, mask),
    );
  }

  async prepareDecrypt(request: { pcrs: readonly number[] }, options?: TpmCallOptions): Promise<void> {
    const mask = pcrMask(request.pcrs);
    return this.#run('prepareDecrypt', options, (client, job) => client.prepareDecrypt(job, mask));
  }

  async rsaDecrypt(
    request: { ciphertext: Uint8Array; pcrs: readonly number[]; scheme: RsaDecryptScheme },
    options?: TpmCallOptions,
  ): Promise<Buffer> {
    const { ciphertext, scheme } = request;
    const mask = pcrMask(request.pcrs);
    const [padding, hash] =
      scheme.scheme === 'RSAES' ? [TPM_ALG_RSAES, TPM_ALG_NULL] : [TPM_ALG_OAEP, HASHES[scheme.hash]];
    return this.#run('rsaDecrypt', options, (client, job) => client.rsaDecrypt(job, ciphertext, mask, padding, hash));
  }

  unwrapKey(
    { wrapped, pcrs }: { wrapped: Uint8Array; pcrs: readonly number[] },
    options?: TpmCallOptions,
  ): Promise<Buffer | undefined> {
    const mask = pcrMask(pcrs);
    return this.#run('unwrapKey', options, (client, job) => client.unwrapKey(job, wrapped, mask));
  }

  confirmKey(pcrs: readonly number[], options?: TpmCallOptions): Promise<boolean> {
    const mask = pcrMask(pcrs);
    return this.#run('confirmKey', options, (client, job) => client.confirmKey(job, mask));
  }

  async capabilities(options?: TpmCallOptions): Promise<TpmCapabilities> {
    const { pcrBanks, ...rest } = await this.#run('capabilities', options, (client, job) => client.capabilities(job));
    return {
      ...rest,
      pcrBanks: pcrBanks.map(({ algorithm, mask }) => ({ algorithm: bankName(algorithm), pcrs: pcrsOf(mask) })),
    };
  }

  handles(kind: TpmHandleKind, options?: TpmCallOptions): Promise<number[]> {
    return this.#run('handles', options, (client, job) => client.handles(job, HANDLE_RANGES[kind]));
  }

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

  async #start<T>(
    options: TpmCallOptions | undefined,
    start: (client: NativeTpmClient, job: number) => Promise<T>,
  ): Promise<T> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    if (this.#closed) throw closedError();
    this.#client ??= new (native().TpmClient)(
      this.#tcti,
      this.#commandTimeoutMs,
      this.#saltKey?.handle,
      this.#saltKey?.name,
    );
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
}

function closedError(): NativeError {
  return Object.assign(new Error('the TPM client is closed'), { kind: 'aborted', tpmErrorCode: 0 } as const);
}

/** Bit n for PCR n. */
function pcrMask(pcrs: readonly number[]): number {
  let mask = 0;
  for (const pcr of pcrs) {
    if (!Number.isInteger(pcr) || pcr < 0 || pcr >= PCR_COUNT) throw new RangeError(`there is no PCR ${pcr}`);
    mask |= 1 << pcr;
  }
  return mask;
}

function pcrsOf(mask: number): number[] {
  return Array.from({ length: 32 }, (_, pcr) => pcr).filter((pcr) => ((mask >>> pcr) & 1) === 1);
}

function bankName(algorithm: number): PcrBank | number {
  const known = Object.entries(BANKS).find(([, id]) => id === algorithm);
  return known === undefined ? algorithm : (known[0] as PcrBank);
}
