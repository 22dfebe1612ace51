import type { Transform } from 'node:stream';
import type { Evidence } from '../abi/evidence.js';
import { observed } from '../base/diagnostics.js';
import { ErrorCode } from '../base/errors.js';
import { checkArgument, checkOptions, invalid } from '../base/options.js';
import { encrypt } from '../content/encrypt.js';
import {
  createDecryptor,
  createDecryptStream,
  type Decryptor,
  decryptChunks,
  decryptEnvelope,
  decryptJwe,
  type KeyCache,
  openRandomAccess,
  type RandomAccessSource,
  type SealedFile,
  type StreamOutputOption,
  type UnwrapKey,
} from '../content/index.js';
import { EncryptionType, type EncryptOptions, type EncryptResult, encryptionType } from '../content/options.js';
import type { ReleasedKey } from '../release/released-key.js';
import type { EncryptionTarget } from '../token/ephemeral-key.js';
import { NativeTpm } from '../tpm/native-tpm.js';
import type { AkCertificate } from './ak-certificate.js';
import { attest } from './attest.js';
import { attestRequest } from './attest-request.js';
import { type AttestedFetchInit, attestedFetch } from './attested-fetch.js';
import {
  ATTEST_OPTIONS,
  CHUNK_OPTIONS,
  checkChallenge,
  DECRYPT_OPTIONS,
  DECRYPTOR_OPTIONS,
  EVIDENCE_OPTIONS,
  EXTEND_PCR_OPTIONS,
  JWE_OPTIONS,
  MEASURED_DATA,
  PCR_INDEX,
  PROVE_OPTIONS,
  STREAM_OPTIONS,
} from './call-options.js';
import type {
  AttestOptions,
  AttestParameters,
  GuestDecryptOptions,
  GuestDecryptorOptions,
  GuestJweOptions,
  GuestStreamOptions,
  KeyTemplateOption,
} from './call-types.js';
import { ClientLifetime } from './client-lifetime.js';
import type { AttestationClientOptions } from './client-options.js';
import { type ClientSettings, clientSettings } from './client-settings.js';
import { decryptRsaBlock } from './decrypt-block.js';
import { collectEvidence, type EvidenceOptions, type StandingEvidence } from './evidence.js';
import { type ExtendPcrOptions, extendPcr } from './extend-pcr.js';
import { akCertificateOf } from './guest.js';
import { registerInternalEvidence } from './internal-evidence.js';
import { KeyTemplates, unwrapKeyOf } from './key-templates.js';
import { type ProofHeaders, type ProofRequest, proveRequest } from './prove-request.js';
import { releaseKey } from './release-key.js';
import { RELEASE_OPTIONS, type ReleaseKeyParameters, releaseRequest } from './release-request.js';
import { ownTokenOptions } from './token-verification.js';
import { tpmCall } from './tpm-failure.js';
import {
  secretsProvisioned,
  UNPROTECT_OPTIONS,
  type UnprotectSecretOptions,
  unprotectSecret,
} from './unprotect-secret.js';
import { UserDataReports } from './user-data.js';
import { zero } from './zero.js';

/**
 * Guest attestation from inside a confidential VM. One client owns one connection to the TPM and one thread that its
 * commands queue up on; calls may run at the same time. Nothing is opened before the first call that needs the TPM.
 *
 * Every promise rejects with an {@link AttestationError}, or with an `AbortError` once the caller's signal has aborted.
 */
export class AttestationClient implements AsyncDisposable {
  readonly #settings: ClientSettings;
  readonly #tpm: NativeTpm;
  readonly #akCertificate: AkCertificate;
  readonly #userDataReports = new UserDataReports();
  readonly #keyTemplates: KeyTemplates;
  readonly #lifetime = new ClientLifetime();

  /** @throws AttestationError 8 for an option that is not what it must be, 1 for certificates that cannot be loaded. */
  constructor(options: AttestationClientOptions = {}) {
    this.#settings = clientSettings(options);
    this.#tpm = new NativeTpm(this.#settings.tpm);
    this.#keyTemplates = new KeyTemplates(this.#tpm);
    this.#akCertificate = akCertificateOf(this.#tpm, this.#settings);
    registerInternalEvidence(this, ({ standing, ...own }) => this.#evidence(own, 'own protocol', standing));
  }

  /**
   * Attests this VM: collects its evidence, shows it to the attestation service and returns the token, decrypted by the
   * TPM. The token is verified only when `options.verify` asks for it; who relies on a token verifies it in any case
   * (`verifyToken`).
   *
   * @returns the token, a compact JWT
   * @throws AttestationError; docs/errors.md has every code with its causes
   */
  attest(params: AttestParameters, options: AttestOptions = {}): Promise<string> {
    return observed('attest', () =>
      this.#lifetime.guarded('attest', options, ATTEST_OPTIONS, async (checked) => {
        const { url, clientPayload } = attestRequest(params, this.#settings);
        const { service: settings, keyFetch } = this.#settings;
        const { verify = false } = checked;
        const wanted = verify === true ? {} : verify;
        const verification = wanted !== false && ownTokenOptions({ keyFetch, ...wanted }, url, clientPayload);
        const service = { url, settings, ...(verification && { verification }) };
        const { token } = await this.#lifetime.untilClosed(checked, (signal) =>
          attest(this.#guest(), service, clientPayload, signal),
        );
        return token;
      }),
    );
  }

  /** Encrypts to the key in a token; the same as the function {@link encrypt}, and needs no TPM. */
  encrypt(token: EncryptionTarget, data: Uint8Array, options: EncryptOptions = {}): Promise<EncryptResult> {
    return encrypt(token, data, options);
  }

  /**
   * Reverses {@link encrypt}, with the private key that never leaves the TPM and is bound to PCRs 0–7. As there, the data is
   * used in place: do not change or transfer its memory until the promise has settled.
   *
   * @throws AttestationError 8 for wrong arguments, 24 for an unknown scheme or hash, 26 when the TPM cannot decrypt
   * (another key, changed data, changed PCRs, no TPM), 12 for more than 512 bytes with {@link EncryptionType.None}
   */
  decrypt(encryptedData: Uint8Array, options: GuestDecryptOptions = {}): Promise<Buffer> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('decrypt', options, DECRYPT_OPTIONS, async (checked) => {
        const { encryptionMetadata } = checked;
        if (encryptionType(checked) === EncryptionType.None) {
          return decryptRsaBlock(this.#tpm, encryptedData, checked);
        }
        if (encryptionMetadata === undefined) {
          throw invalid('encryptionMetadata is needed; data of the reference library has none and needs type None');
        }
        return decryptEnvelope(encryptedData, encryptionMetadata, ...this.#opening(checked));
      }),
    );
  }

  /** Decrypts a compact JWE made by `encryptJwe` or by any JOSE library with the token's key (RSA-OAEP-256, A256GCM). */
  decryptJwe(jwe: string, options: GuestJweOptions = {}): Promise<Buffer> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('decryptJwe', options, JWE_OPTIONS, (checked) =>
        decryptJwe(jwe, ...this.#opening(checked)),
      ),
    );
  }

  /**
   * Opens a session: unwraps its key in the TPM once, then decrypts messages without the TPM, until it is closed.
   *
   * @param metadata as `createEncryptor` made it
   * @throws AttestationError 8 for metadata that is not a session's, 26 when the key does not open
   */
  createDecryptor(metadata: Uint8Array, options: GuestDecryptorOptions = {}): Promise<Decryptor> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('createDecryptor', options, DECRYPTOR_OPTIONS, (checked) =>
        createDecryptor(metadata, ...this.#opening(checked)),
      ),
    );
  }

  /** Decrypts what `createEncryptStream` made, in constant memory; one TPM operation when the header has arrived. */
  createDecryptStream(options: GuestStreamOptions = {}): Transform {
    this.#lifetime.requireOpen();
    const checked = checkOptions('createDecryptStream', options, STREAM_OPTIONS);
    return createDecryptStream(...this.#opening(checked));
  }

  /** {@link createDecryptStream} for anything that yields bytes: `for await (const plain of client.decryptChunks(source))`. */
  decryptChunks(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: GuestStreamOptions & StreamOutputOption = {},
  ): AsyncGenerator<Buffer, void, undefined> {
    this.#lifetime.requireOpen();
    const checked = checkOptions('decryptChunks', options, CHUNK_OPTIONS);
    return decryptChunks(source, ...this.#opening(checked));
  }

  /**
   * Opens a sealed file for reading at any position: `FileHandle` of node:fs/promises, which stays the caller's to close.
   *
   * @throws AttestationError 8 for what is not a sealed stream, 26 when it does not open or was cut off
   */
  openRandomAccess(source: RandomAccessSource, options: GuestStreamOptions = {}): Promise<SealedFile> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('openRandomAccess', options, STREAM_OPTIONS, (checked) =>
        openRandomAccess(source, ...this.#opening(checked)),
      ),
    );
  }

  /**
   * Answers the challenge of a guard with `proofOfPossession`: proves that this machine holds the token's key, for one
   * request to one origin. {@link fetch} does all of it.
   *
   * @throws AttestationError 8 for wrong arguments, 26 when the secret is not sealed to this machine's key
   */
  proveRequest(request: ProofRequest, options: { signal?: AbortSignal } = {}): Promise<ProofHeaders> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('proveRequest', options, PROVE_OPTIONS, ({ signal }) =>
        tpmCall('the challenge cannot be answered', proveRequest(this.#tpm, request, { ...(signal && { signal }) }), {
          code: ErrorCode.DATA_DECRYPTION_TPM_ERROR,
          signal,
        }),
      ),
    );
  }

  /**
   * `fetch` with a token, to servers that ask for proof of possession: answers their challenge and sends the request again.
   * Redirects are not followed.
   *
   * @throws AttestationError as {@link proveRequest}; whatever `fetch` rejects with
   */
  async fetch(input: string | URL, init: AttestedFetchInit): Promise<Response> {
    this.#lifetime.requireOpen();
    return attestedFetch(input, init, (request, options) => this.proveRequest(request, options));
  }

  /** Zeroes a buffer that decrypt returned. Safe to call twice, and with nothing. */
  free(data: Uint8Array | null | undefined): void {
    zero(data);
  }

  /**
   * Collects everything that this VM can show about itself, for a verifier that needs no attestation service
   * (`verifyEvidence`).
   *
   * @throws AttestationError 8, 13 and others; docs/errors.md
   */
  getEvidence(options: EvidenceOptions = {}): Promise<Evidence> {
    return this.#evidence(options, 'anyone');
  }

  /**
   * Measures data into a PCR: TPM2_PCR_Event, or TPM2_PCR_Extend where `options.bank` says that the data is a digest. After a
   * change of PCRs 0–7 what was encrypted to earlier tokens no longer decrypts.
   *
   * @param index 0 to 23; the platform keeps 17 to 22 for itself
   * @throws AttestationError 8 for an index or data out of range, 13 when the TPM refuses, and says why
   */
  async extendPcr(index: number, data: Uint8Array, options: ExtendPcrOptions = {}): Promise<void> {
    return this.#lifetime.guarded('extendPcr', options, EXTEND_PCR_OPTIONS, (checked) => {
      const pcr = checkArgument('extendPcr', 'index', index, PCR_INDEX);
      return extendPcr(this.#tpm, pcr, checkArgument('extendPcr', 'data', data, MEASURED_DATA), checked);
    });
  }

  /**
   * Has a key of Key Vault (Premium) or Managed HSM released to this VM: attests, asks the vault with the VM's identity,
   * verifies the answer and unwraps the key in the TPM. The caller frees the key (`using key = await …`).
   *
   * @throws VerificationError `ERR_RELEASE_…`: the vault refused (`reason`, `explanation`), or a check of its answer failed
   * @throws AttestationError 3 without an access token, 26 when the TPM cannot unwrap the key, and as {@link attest}
   */
  releaseKey(params: ReleaseKeyParameters, options: { signal?: AbortSignal } = {}): Promise<ReleasedKey> {
    return observed('release', () =>
      this.#lifetime.guarded('releaseKey', options, RELEASE_OPTIONS, (checked) => {
        const request = releaseRequest(params, this.#settings);
        return this.#lifetime.untilClosed(checked, (signal) =>
          releaseKey({ ...this.#guest(), tpm: this.#tpm }, request, signal),
        );
      }),
    );
  }

  /**
   * Decrypts a secret that Azure's control plane provisioned to this VM. The caller zeroes it ({@link free}).
   *
   * @throws VerificationError `ERR_SECRET_…` for a token that is not what it must be
   * @throws AttestationError 26 when the TPM cannot decrypt, 8 for wrong options or an unknown VM id
   */
  unprotectSecret(token: string, options: UnprotectSecretOptions = {}): Promise<Buffer> {
    return observed('decrypt', () =>
      this.#lifetime.guarded('unprotectSecret', options, UNPROTECT_OPTIONS, (checked) =>
        unprotectSecret(token, checked, { ...this.#settings, tpm: this.#tpm }),
      ),
    );
  }

  /** Whether the platform provisions secrets to this VM: the TPM has the key for them. @throws AttestationError 13 */
  secretsProvisioned(options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#lifetime.guarded('secretsProvisioned', options, RELEASE_OPTIONS, (checked) =>
      secretsProvisioned(this.#tpm, checked.signal),
    );
  }

  #evidence(
    options: EvidenceOptions,
    caller: 'anyone' | 'own protocol',
    standing?: StandingEvidence,
  ): Promise<Evidence> {
    return observed('evidence', () =>
      this.#lifetime.guarded('getEvidence', options, EVIDENCE_OPTIONS, (checked) => {
        checkChallenge(checked, caller);
        return this.#lifetime.untilClosed(checked, (signal) =>
          collectEvidence(
            { ...this.#guest(), userDataReports: this.#userDataReports },
            { ...checked, ...(standing && { standing }), signal },
          ),
        );
      }),
    );
  }

  /**
   * Flushes what is loaded in the TPM and ends the thread. Calls in progress reject with code 12, later ones with code 8;
   * encrypt and free go on working. Safe to call twice.
   */
  async close(): Promise<void> {
    this.#lifetime.end();
    this.#settings.keyCache?.close();
    await this.#tpm.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #guest() {
    const { imds, logger, eventLogPath, osReleasePath } = this.#settings;
    const [akCertificate, keyTemplates] = [this.#akCertificate, this.#keyTemplates];
    return { tpm: this.#tpm, akCertificate, keyTemplates, imds, logger, eventLogPath, osReleasePath };
  }

  /** What opens a message: the TPM with one of its keys, and the options that are for the format alone. */
  #opening<T extends KeyTemplateOption>({
    keyTemplate,
    ...options
  }: T): [UnwrapKey, typeof options & { keyCache?: KeyCache }] {
    const { keyCache } = this.#settings;
    return [unwrapKeyOf(this.#keyTemplates, keyTemplate), keyCache === undefined ? options : { ...options, keyCache }];
  }
}
