import type { DecryptorOptions, StreamDecryptOptions } from '../content/index.js';
import type { DecryptOptions } from '../content/options.js';
import type { KeyTemplate } from '../tpm/types.js';
import type { OwnTokenVerification } from './token-verification.js';

/** What is attested, and where. */
export interface AttestParameters {
  /** Version of these parameters. Default 1, which is the only one. */
  version?: 1;
  /** Address of the attestation service: `https://host[:port]` or a bare host name; path and query are ignored. */
  attestationUrl: string;
  /**
   * Names and values that the token returns in `x-ms-runtime.client-payload`, each value in base64: a nonce, for
   * instance. An object, or a JSON text as the reference library takes it. At most 64 KiB.
   */
  clientPayload?: string | Record<string, unknown>;
}

/** Which of the TPM's ephemeral keys a message is for. */
export interface KeyTemplateOption {
  /**
   * `'zeros'`: the key in tokens of this package and of the reference library; `'empty'`: that in tokens of Microsoft's Rust
   * and Python clients. Default: the one that the message names (`jkt` in its header), else `'zeros'`. The other one is never
   * tried after a failure.
   */
  keyTemplate?: KeyTemplate;
}

/** As for the functions of any receiver; the key cache is the client's own. */
export type GuestDecryptOptions = DecryptOptions & KeyTemplateOption;
export type GuestDecryptorOptions = Omit<DecryptorOptions, 'keyCache'> & KeyTemplateOption;
export type GuestStreamOptions = Omit<StreamDecryptOptions, 'keyCache'> & KeyTemplateOption;
export interface GuestJweOptions extends KeyTemplateOption {
  signal?: AbortSignal;
}

export interface AttestOptions {
  signal?: AbortSignal;
  /**
   * Verifies the token before it is returned, at the cost of fetching the service's signing keys now and then: signature
   * by a key of the service that was asked, times, this call's payload, the key of this TPM; `true`, or further
   * expectations as in `verifyToken`. Default: not verified here.
   */
  verify?: boolean | OwnTokenVerification;
}
