import { AttestationError, ErrorCode } from '../base/errors.js';
import { custom, unchecked } from '../base/option-kinds.js';
import type { OptionKind, OptionTable } from '../base/options.js';
import type { RsaDecryptScheme } from '../tpm/types.js';
import { requireBytes } from './bytes.js';
import type { BulkOptions } from './seal.js';

/** How data is encrypted to the TPM's ephemeral key. */
export const EncryptionType = Object.freeze({
  /** One RSA block and no metadata: byte-compatible with the reference library. At most 245 bytes. */
  None: 'None',
  /** Any size: a JWE in Flattened JSON Serialization with the ciphertext detached. */
  Envelope: 'Envelope',
} as const);
export type EncryptionType = (typeof EncryptionType)[keyof typeof EncryptionType];

export type RsaScheme = 'RSA-OAEP' | 'RSAES';
export type OaepHash = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';

/** `output` and `threads` are for {@link EncryptionType.Envelope}. */
export interface EncryptOptions extends BulkOptions {
  /** Default {@link EncryptionType.Envelope}. */
  type?: EncryptionType;
  /**
   * For {@link EncryptionType.None}: padding of the RSA block. Default `RSA-OAEP`; `RSAES` (PKCS #1 v1.5) is the
   * reference library's default, and detects no change: a TPM may answer an altered block with bytes that it makes up.
   */
  scheme?: RsaScheme;
  /** For OAEP: hash of label and MGF1. Default `SHA-256`. */
  hash?: OaepHash;
  /**
   * For {@link EncryptionType.Envelope}: authenticated with the data, and sent along readably in the metadata. One RSA block
   * has no room for any: 8 with {@link EncryptionType.None}.
   */
  additionalData?: Uint8Array;
}

export interface EncryptResult {
  encryptedData: Buffer;
  /** Empty for {@link EncryptionType.None}. */
  encryptionMetadata: Buffer;
}

/** `output` and `threads` are for {@link EncryptionType.Envelope}. */
export interface DecryptOptions extends BulkOptions {
  /** As given to encrypt. Default {@link EncryptionType.Envelope}. */
  type?: EncryptionType;
  /** As returned by encrypt; needed for {@link EncryptionType.Envelope}. */
  encryptionMetadata?: Uint8Array;
  /** As given to encrypt, for {@link EncryptionType.None}. */
  scheme?: RsaScheme;
  /** As given to encrypt, for OAEP. */
  hash?: OaepHash;
  /**
   * For {@link EncryptionType.Envelope}: what the metadata must carry, as given to encrypt. Without it whatever was
   * authenticated is accepted.
   */
  additionalData?: Uint8Array;
  /** Takes the decryption out of the TPM's queue. */
  signal?: AbortSignal;
}

/** Additional data: copied, and refused with a message that says when its memory was transferred. */
export const BOUND_BYTES: OptionKind<Uint8Array> = custom((value, name) => Buffer.from(requireBytes(value, name)));

/** Where results go and on how many cores: looked at where they are used, since the memory must not be copied. */
export const BULK_OPTIONS: OptionTable<BulkOptions> = { output: unchecked(), threads: unchecked() };

/** `scheme` and `hash` are refused with code 24, the type with words of its own. */
export const ENCRYPT_OPTIONS: OptionTable<EncryptOptions> = {
  type: unchecked(),
  ...BULK_OPTIONS,
  scheme: unchecked(),
  hash: unchecked(),
  additionalData: BOUND_BYTES,
};

const HASHES: readonly unknown[] = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] satisfies OaepHash[];

/** The type asked for. @throws AttestationError 8 for one that does not exist, or cannot do what else is asked for. */
export function encryptionType(options: { type?: EncryptionType; additionalData?: Uint8Array }): EncryptionType {
  if (typeof options !== 'object' || options === null) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the options must be an object');
  }
  const chosen = options.type ?? EncryptionType.Envelope;
  if (!Object.values(EncryptionType).includes(chosen)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, "the encryption type must be 'None' or 'Envelope'");
  }
  if (chosen === EncryptionType.None && options.additionalData !== undefined) {
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      'additionalData needs type Envelope: one RSA block binds none',
    );
  }
  return chosen;
}

/**
 * The RSA scheme asked for, with its defaults. As in the reference library, a wrong hash is refused with RSAES too.
 *
 * @throws AttestationError 24 for a scheme or hash that does not exist.
 */
export function rsaScheme(options: { scheme?: RsaScheme; hash?: OaepHash }): RsaDecryptScheme {
  const { scheme = 'RSA-OAEP', hash = 'SHA-256' } = options;
  if (!HASHES.includes(hash)) throw unknown('hash', hash, HASHES);
  if (scheme === 'RSAES') return { scheme };
  if (scheme === 'RSA-OAEP') return { scheme, hash };
  throw unknown('scheme', scheme, ['RSA-OAEP', 'RSAES']);
}

const unknown = (what: string, value: unknown, known: readonly unknown[]): AttestationError =>
  new AttestationError(
    ErrorCode.EVP_PKEY_ENCRYPT_INIT_FAILED,
    `unknown RSA ${what} ${typeof value === 'string' ? value.slice(0, 40) : typeof value}: it is one of ${known.join(', ')}`,
  );
