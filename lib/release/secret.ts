import { createDecipheriv } from 'node:crypto';
import { AttestationError } from '../base/errors.js';
import { isNativeError, native } from '../native.js';
import { NotUnwrapped } from './errors.js';

/**
 * Secret bytes, zeroed when they are destroyed or collected: in locked memory of the addon where it loads
 * (`NativeSecretBuffer` has this shape), else in memory of JavaScript's.
 */
export interface Secret {
  /** Bytes; 0 after destroy(). */
  readonly size: number;
  /** The bytes, for the caller to zero. */
  copy(): Uint8Array;
  /** AES-256-KWP (RFC 5649) with these 32 bytes as the key. */
  unwrapWithPadding(wrapped: Uint8Array): Secret;
  /** Zeroes the bytes. Safe twice. */
  destroy(): void;
}

/** A secret of these bytes, which are zeroed. */
export function secretOf(bytes: Uint8Array): Secret {
  const SecretBuffer = addon();
  if (SecretBuffer === undefined || bytes.length === 0) return new ScriptSecret(bytes);
  return new SecretBuffer(bytes);
}

/** Unwraps with a transport key, which is destroyed whatever comes of it. @throws NotUnwrapped */
export function unwrapWith(transportKey: Secret, wrapped: Uint8Array): Secret {
  try {
    return transportKey.unwrapWithPadding(wrapped);
  } catch (error) {
    if (!(isNativeError(error) && error.kind === 'crypto') && !(error instanceof NotUnwrapped)) throw error;
    throw new NotUnwrapped('the wrapped key does not open with the transport key');
  } finally {
    transportKey.destroy();
  }
}

function addon() {
  try {
    return native().SecretBuffer;
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}

/** Zeroes what nobody destroyed. */
const forgotten = new FinalizationRegistry<Uint8Array>((bytes) => bytes.fill(0));

/** RFC 5649 section 3: constant part of the alternative initial value. */
const KWP_INITIAL_VALUE = Buffer.from('a65959a6', 'hex');

class ScriptSecret implements Secret {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = new Uint8Array(bytes);
    bytes.fill(0);
    forgotten.register(this, this.#bytes, this);
  }

  get size(): number {
    return this.#bytes.length;
  }

  copy(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  unwrapWithPadding(wrapped: Uint8Array): Secret {
    let padded: Buffer | undefined;
    try {
      const decipher = createDecipheriv('id-aes256-wrap-pad', this.#bytes, KWP_INITIAL_VALUE);
      padded = decipher.update(wrapped);
      decipher.final();
      return new ScriptSecret(padded);
    } catch {
      throw new NotUnwrapped('the wrapped key does not open with the transport key');
    } finally {
      padded?.fill(0);
    }
  }

  destroy(): void {
    this.#bytes.fill(0);
    this.#bytes = new Uint8Array();
    forgotten.unregister(this);
  }
}
