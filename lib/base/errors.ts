import { describeErrorCode, type ErrorCode, type ErrorCodeName } from './error-codes.js';

export { ErrorCode, type ErrorCodeName } from './error-codes.js';

let adviser: (code: number | string) => string | undefined = () => undefined;

/** Where the advice of errors comes from: its sentences are for Node, where a bundle's size matters little. */
export function takeAdviceFrom(newAdviser: (code: number | string) => string | undefined): void {
  adviser = newAdviser;
}

/** What an {@link AttestationError} carries besides its code and message. */
export interface AttestationErrorDetails {
  /** TSS2_RC of the TPM call that failed; 0 (the default) when none did. */
  tpmErrorCode?: number;
  cause?: unknown;
  /** HTTP status of the answer that was refused. */
  status?: number;
  /** Body of that answer, cut to 4 KiB. Never a token: a successful answer is not kept. */
  responseBody?: string;
}

/**
 * Rejection of every attest, encrypt, decrypt and evidence call.
 *
 * `code` is one of the documented numbers, `description` its documented sentence, `message` what happened this time.
 */
export class AttestationError extends Error {
  override readonly name = 'AttestationError';
  /** 1–32, see {@link ErrorCode}. */
  readonly code: ErrorCode;
  /** Key of `code` in {@link ErrorCode}. */
  readonly codeName: ErrorCodeName;
  /** The documented sentence for `code`. */
  readonly description: string;
  /** TSS2_RC of the TPM call that failed, 0 when no TPM call failed. */
  readonly tpmErrorCode: number;
  readonly status?: number;
  readonly responseBody?: string;

  constructor(code: ErrorCode, message: string, details: AttestationErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    const { codeName, description } = describeErrorCode(code);
    this.codeName = codeName;
    this.description = description;
    this.tpmErrorCode = details.tpmErrorCode ?? 0;
    if (details.status !== undefined) this.status = details.status;
    if (details.responseBody !== undefined) this.responseBody = details.responseBody.slice(0, 4096);
  }

  /** What to do about it, in one sentence; `cvm-attest explain CODE` says more. Not from `./verify`. */
  get advice(): string | undefined {
    return adviser(this.code);
  }
}

/** What a check is about: a key that a vault released, or a link of the chain from the maker's root to the guest. */
export type CheckSubject =
  | 'root'
  | 'intermediate'
  | 'leaf'
  | 'report'
  | 'quoting-enclave'
  | 'collateral'
  | 'tcb'
  | 'runtime-data'
  | 'ak'
  | 'quote'
  | 'pcrs'
  | 'event-log'
  | 'encryption-key'
  | 'released-key'
  | 'policy';

/** One check of a verification, with the values that were compared. */
export interface Check {
  /** What was checked, as a short English sentence. */
  name: string;
  ok: boolean;
  /** Set on checks of evidence and reports. */
  subject?: CheckSubject;
  /** Set, with `ok` true, on a check that nothing in the evidence or the options called for. */
  skipped?: true;
  /** Stable code of the refusal, set when `ok` is false. */
  code?: string;
  expected?: string;
  actual?: string;
}

/** Refusal of a token or of evidence: `code` names the first failed check, `checks` lists all of them. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
  /** Stable, for instance `ERR_TOKEN_SIGNATURE` or `ERR_HWID_MISMATCH`. */
  readonly code: string;
  readonly checks: readonly Check[];

  constructor(code: string, message: string, checks: readonly Check[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.checks = checks;
  }

  /** What to do about it, in one sentence; `cvm-attest explain CODE` says more. Not from `./verify`. */
  get advice(): string | undefined {
    return adviser(this.code);
  }
}

/** What was thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
