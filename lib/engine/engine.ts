import type { HashName } from '../base/sha2.js';

export type { HashName } from '../base/sha2.js';

export type EcCurve = 'P-256' | 'P-384' | 'P-521';

/** A public key as the structures hold it, checked by `lib/engine/public-key.ts` before an engine sees it. */
export type PublicKey =
  | {
      readonly type: 'rsa';
      /** Modulus, big-endian, without leading zeros. */
      readonly n: Uint8Array;
      /** Public exponent, big-endian, without leading zeros. */
      readonly e: Uint8Array;
    }
  | {
      readonly type: 'ec';
      readonly curve: EcCurve;
      /** Coordinates, big-endian, each as long as the field: 32, 48 or 66 bytes. On the curve. */
      readonly x: Uint8Array;
      readonly y: Uint8Array;
    };

/** Whether a signature is good: at once from an engine that computes synchronously. */
export type Verdict = boolean | Promise<boolean>;

/** How a signature was made. ECDSA signatures are r ‖ s, each as long as the field. */
export type SignatureScheme =
  | { readonly scheme: 'ecdsa'; readonly hash: Exclude<HashName, 'SHA-1'> }
  | { readonly scheme: 'rsa-pkcs1'; readonly hash: Exclude<HashName, 'SHA-1'> }
  | { readonly scheme: 'rsa-pss'; readonly hash: Exclude<HashName, 'SHA-1'>; readonly saltLength: number };

/**
 * What computes signatures' verdicts. Engines differ in nothing but where the arithmetic is done: every check on keys and
 * on the range of r and s is made before, in `lib/engine/verify-signature.ts`, the same for all of them.
 */
export interface SignatureEngine {
  readonly name: 'native' | 'node' | 'webcrypto';
  /** Refuses by itself an EC key whose coordinates have a wrong length or are not on the curve: that is not checked before. */
  readonly checksPoints?: true;
  /** Whether `key` made `signature` over `message`. Never throws for bytes: what cannot be verified is false. */
  verify(
    key: PublicKey,
    scheme: SignatureScheme,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean | Promise<boolean>;
  /** Digest, synchronous in every engine: event logs are replayed by it. */
  digest(hash: HashName, data: Uint8Array): Uint8Array;
}
