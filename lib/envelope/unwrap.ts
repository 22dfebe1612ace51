import { throwIfAborted } from '../abort.js';
import { AttestationError, ErrorCode } from '../errors.js';
import { isNativeError, type NativeContentKey, native } from '../native.js';
import type { KeyCache } from './key-cache.js';

/** Decrypts an RSA-OAEP-256 block with the private key, which for a guest lies in the TPM. */
export type UnwrapKey = (
  encryptedKey: Uint8Array,
  context: {
    /** RFC 7638 thumbprint of the key that the sender says it used. */
    thumbprint?: string;
    signal?: AbortSignal;
  },
) => Promise<Uint8Array>;

export interface UnwrapOptions {
  signal?: AbortSignal;
  /** Where unwrapped keys are looked for and kept; none by default. */
  keyCache?: KeyCache;
}

/** A content key as it arrived. */
export interface WrappedKey {
  encryptedKey: Buffer;
  thumbprint?: string;
}

/**
 * Unwraps a content key, hands it to `use`, and zeroes it. A key that could not be unwrapped is replaced by a random one,
 * so that wrong padding ends like a wrong tag: by `use` failing (RFC 7516 section 11.5).
 *
 * @throws AttestationError 26 with its `tpmErrorCode` when the TPM did not do its work at all
 */
export async function withContentKey<T>(
  wrapped: WrappedKey,
  unwrap: UnwrapKey,
  options: UnwrapOptions,
  use: (key: NativeContentKey) => T | Promise<T>,
): Promise<T> {
  throwIfAborted(options.signal);
  const { keyCache } = options;
  const cached = keyCache?.get(wrapped.encryptedKey);
  const { key, genuine } = cached ? { key: cached, genuine: true } : await unwrapKey(wrapped, unwrap, options.signal);
  try {
    const result = await use(key);
    // Only what opened something is worth a place.
    if (genuine && cached === undefined) keyCache?.put(wrapped.encryptedKey, key);
    return result;
  } finally {
    key.destroy();
  }
}

async function unwrapKey(
  wrapped: WrappedKey,
  unwrap: UnwrapKey,
  signal: AbortSignal | undefined,
): Promise<{ key: NativeContentKey; genuine: boolean }> {
  const { ContentKey } = native();
  let bytes: Uint8Array | undefined;
  try {
    bytes = await unwrap(wrapped.encryptedKey, {
      ...(wrapped.thumbprint !== undefined && { thumbprint: wrapped.thumbprint }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (!isRefusal(error)) throw infrastructureFailure(error);
  }
  if (bytes?.length === 32) return { key: new ContentKey(bytes), genuine: true };
  bytes?.fill(0);
  return { key: new ContentKey(), genuine: false };
}

/** TPM_RC_WARN: lockout, no memory, testing. The TPM says nothing about the ciphertext then. */
const isWarning = (rc: number): boolean => (rc & 0x980) === 0x900;

/** Whether the private key was applied and found the block wrong. */
function isRefusal(error: unknown): boolean {
  if (isNativeError(error)) {
    const layer = error.tpmErrorCode >>> 16;
    // Layer 0 is the TPM itself, 11 the same through a resource manager (TSS 2.0 Overview, section "Response codes").
    const fromTpm = layer === 0 || layer === 11;
    return error.kind === 'crypto' || (error.kind === 'tpm' && fromTpm && !isWarning(error.tpmErrorCode & 0xffff));
  }
  // node:crypto, where the private key is in software.
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('ERR_OSSL');
}

function infrastructureFailure(error: unknown): unknown {
  if (error instanceof AttestationError || (error instanceof Error && error.name === 'AbortError')) return error;
  if (isNativeError(error) && error.kind === 'aborted') {
    return new AttestationError(ErrorCode.TPM_INTERNAL_FAILURE, 'the client was closed during the call', {
      cause: error,
    });
  }
  const tpmErrorCode = isNativeError(error) ? error.tpmErrorCode : 0;
  return new AttestationError(ErrorCode.DATA_DECRYPTION_TPM_ERROR, 'the content key could not be unwrapped', {
    cause: error,
    tpmErrorCode,
  });
}
