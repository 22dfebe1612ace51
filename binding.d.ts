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

export interface Binding extends TpmBinding, ReportBinding, CryptoBinding {
  /** Version of the libcrypto inside the addon. */
  readonly opensslVersion: string;
}

// --- TPM (cpp/binding/tpm*.cc) ---------------------------------------------------------------------------------------

// biome-ignore lint/suspicious/noEmptyInterface: filled in with the TPM binding
export interface TpmBinding {}

// --- Reports and certificates (cpp/binding/report*.cc) ---------------------------------------------------------------

// biome-ignore lint/suspicious/noEmptyInterface: filled in with the report binding
export interface ReportBinding {}

// --- Content encryption (cpp/binding/crypto*.cc) ---------------------------------------------------------------------

// biome-ignore lint/suspicious/noEmptyInterface: filled in with the crypto binding
export interface CryptoBinding {}
