import { AttestationError, ErrorCode } from '../base/errors.js';
import { type OptionNames, refuseUnknownOptions } from '../base/option-names.js';
import { compilePolicy, type VerificationPolicy } from './policy.js';
import { type TrustAnchors, type TrustedRootInput, trustAnchors } from './roots.js';

/** What a relying party demands of a report, besides that it is genuine. */
export interface SnpVerificationOptions {
  /** Plain JSON, see docs/policy.md. Its defaults apply without one: no debugging, no migration, VMPL 0, no VLEK. */
  policy?: VerificationPolicy;
  /** Roots that **replace** AMD's pinned ones: certificates (DER, PEM) or products with key digests, in any mixture. */
  trustedRoots?: readonly TrustedRootInput[];
  /** Revocation lists, DER or PEM, of any product; when given, one must be of the root in use and be valid. */
  crls?: readonly (Uint8Array | string)[];
  /** The clock for validity dates; default: the system's. */
  now?: Date;
}

/** What a relying party demands of evidence. */
export interface VerificationOptions extends SnpVerificationOptions {
  /** 1 to 64 bytes: compared with the quote's qualifying data. Evidence without a quote fails then. */
  nonce?: Uint8Array;
  /** At most 64 bytes: the runtime claims must echo them, padded with zeros. */
  userData?: Uint8Array;
}

const SNP_OPTIONS = {
  policy: true,
  trustedRoots: true,
  crls: true,
  now: true,
} satisfies OptionNames<SnpVerificationOptions>;
const EVIDENCE_OPTIONS = { ...SNP_OPTIONS, nonce: true, userData: true } satisfies OptionNames<VerificationOptions>;

export interface CheckedOptions {
  policy: VerificationPolicy;
  anchors: TrustAnchors;
  crls: readonly (Uint8Array | string)[] | undefined;
  now: Date;
}

/** Refuses options that would silently check less than the caller meant. */
export function checkOptions(
  options: SnpVerificationOptions,
  known: Readonly<Record<string, true>> = SNP_OPTIONS,
): CheckedOptions {
  requireObject('the options are', options);
  refuseUnknownOptions(options, known);
  const now = options.now ?? new Date();
  if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw invalid('now is not a valid Date');
  const { crls } = options;
  if (crls !== undefined && !(Array.isArray(crls) && crls.every(isInput))) {
    throw invalid('crls is an array of DER or PEM revocation lists');
  }
  return { policy: compilePolicy(options.policy), anchors: trustAnchors(options.trustedRoots), crls, now };
}

/** The same for the options that only evidence with a TPM has. */
export function checkEvidenceOptions(options: VerificationOptions): CheckedOptions {
  requireObject('the options are', options);
  checkBytes(options, 'nonce', 1);
  checkBytes(options, 'userData', 0);
  return checkOptions(options, EVIDENCE_OPTIONS);
}

function checkBytes(options: VerificationOptions, name: 'nonce' | 'userData', minimum: number): void {
  const value = options[name];
  if (value === undefined) {
    // A nonce that a session has lost must not become a nonce that nobody checks.
    if (name in options) throw invalid(`${name} is given but undefined`);
    return;
  }
  if (!(value instanceof Uint8Array) || value.length < minimum || value.length > 64) {
    throw invalid(`${name} is a Uint8Array of ${minimum} to 64 bytes`);
  }
}

/** @throws {AttestationError} 8 for anything but an object. */
export function requireObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw invalid(`${what} an object`);
}

function isInput(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
}
