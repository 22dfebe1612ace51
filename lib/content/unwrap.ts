import { throwIfAborted } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { isNativeError, type NativeContentKey, native } from '../native.js';
import { isUndecryptable } from './errors.js';
import type { KeyCache } from './key-cache.js';

/** What a private key is told with a wrapped key. */
export interface UnwrapContext {
  /** RFC 7638 thumbprint of the key that the sender says it used. */
  thumbprint?: string;
  signal?: AbortSignal;
}

/** The private key behind wrapped keys, which for a guest lies in the TPM. */
export interface UnwrapKey {
  /** Decrypts an RSA-OAEP-256 block; undefined, or an error of OpenSSL's, when the block is refused. */
  (encryptedKey: Uint8Array, context: UnwrapContext): Promise<Uint8Array | undefined>;
  /**
   * Asked once for everything that does not open, whatever was wrong with it, so that failures take the same time: whether
   * the private key is the right one still. After a block that was refused `false` has it tried again.
   */
  confirm?(context: UnwrapContext): Promise<boolean>;
}

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

/** How often a refused block is tried with a private key that had changed. */
const ATTEMPTS = 4;

/**
 * Unwraps a content key, hands it to `use`, and zeroes it. A key that could not be unwrapped is replaced by a random one, so
 * that wrong padding ends like a wrong tag: by `use` failing, after the same work in the same order (RFC 7516 section 11.5).
 *
 * `use` is called again when the private key turns out to have been another one: for a message that is decrypted in place
 * that is too late.
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
  const { keyCache, signal } = options;
  const cached = keyCache?.get(wrapped.encryptedKey);
  if (cached !== undefined) return withKey(cached, use);
  const context = contextOf(wrapped, signal);
  for (let attempt = 1; ; attempt++) {
    const bytes = await unlessRefused(unwrap(wrapped.encryptedKey, context));
    try {
      return await withKey(contentKey(bytes), async (key) => {
        const result = await use(key);
        keyCache?.put(wrapped.encryptedKey, key);
        return result;
      });
    } catch (error) {
      if (!isUndecryptable(error)) throw error;
      const current = await confirm(unwrap, context);
      if (current || bytes !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The key, or a random one in the place of what is none: it opens nothing. */
function contentKey(bytes: Uint8Array | undefined): NativeContentKey {
  const { ContentKey } = native();
  if (bytes?.length === 32) return new ContentKey(bytes);
  bytes?.fill(0);
  return new ContentKey();
}

async function withKey<T>(key: NativeContentKey, use: (key: NativeContentKey) => T | Promise<T>): Promise<T> {
  try {
    return await use(key);
  } finally {
    key.destroy();
  }
}

function contextOf({ thumbprint }: WrappedKey, signal: AbortSignal | undefined): UnwrapContext {
  const context: UnwrapContext = {};
  if (thumbprint !== undefined) context.thumbprint = thumbprint;
  if (signal !== undefined) context.signal = signal;
  return context;
}

async function unlessRefused(unwrapping: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  try {
    return await unwrapping;
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw infrastructureFailure(error);
  }
}

async function confirm(unwrap: UnwrapKey, context: UnwrapContext): Promise<boolean> {
  try {
    return (await unwrap.confirm?.(context)) ?? true;
  } catch (error) {
    throw infrastructureFailure(error);
  }
}

/**
 * Whether a private key in software was applied and found the block wrong. What a TPM's codes mean is decided in one place,
 * cpp/core/tpm/response_code.h: a block that it refuses is `undefined` here, and every error of it is a failure.
 */
function isRefusal(error: unknown): boolean {
  if (isNativeError(error)) return error.kind === 'crypto';
  // node:crypto
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
