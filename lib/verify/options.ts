import type { TdxCollateral } from '../abi/tdx-collateral.js';
import { copyBytes } from '../base/bytes.js';
import { bytes, bytesOrText, custom, date, listOf } from '../base/option-kinds.js';
import { checkOptions, invalid, NOTHING, type OptionTable } from '../base/options.js';
import { contextName, isLikeQualifyingData, isReservedContext, qualifyingData } from '../base/qualifying-data.js';
import { policyOption, requireOfHardware, type VerificationPolicy } from './policy.js';
import { type TrustAnchors, type TrustedRootInput, trustAnchors } from './roots.js';
import { type SignerDigests, signerDigests } from './snp/signers.js';
import { collateralOption } from './tdx/collateral-option.js';

/** What a relying party demands of a report, besides that it is genuine. */
export interface SnpVerificationOptions {
  /** Plain JSON, see docs/policy.md. Its defaults apply without one: no debugging, no migration, VMPL 0, no VLEK. */
  policy?: VerificationPolicy;
  /**
   * Roots that **replace** all pinned ones together, AMD's, Intel's and Azure's: certificates (DER, PEM) or products with
   * key digests, in any mixture.
   */
  trustedRoots?: readonly TrustedRootInput[];
  /** Revocation lists, DER or PEM, of any product (`KdsClient.crl`); when given, one must be of the root in use, and all of that root valid. */
  crls?: readonly (Uint8Array | string)[];
  /** The clock for validity dates; default: the system's. */
  now?: Date;
}

/** What a relying party demands of evidence. */
export interface VerificationOptions extends SnpVerificationOptions {
  /** 1 to 64 bytes: compared with the quote's qualifying data. Evidence without a quote fails then. */
  nonce?: Uint8Array;
  /** The protocol that the nonce belongs to, as given to `getEvidence`: 1 to 32 characters `a–z0–9-`. Needs a nonce. */
  context?: string;
  /** At most 64 bytes: the runtime claims must echo them, padded with zeros. */
  userData?: Uint8Array;
  /** TDX: Intel's documents and revocation lists for the platform; in place of those in the evidence. */
  collateral?: TdxCollateral;
}

const MAXIMUM_LISTS = 64;

const SNP_OPTIONS: OptionTable<SnpVerificationOptions> = {
  policy: policyOption,
  trustedRoots: custom((value) => value as readonly TrustedRootInput[]),
  crls: listOf(bytesOrText, 0, MAXIMUM_LISTS),
  now: date,
};

/** What is of one exchange. */
type ExchangeOptions = Omit<VerificationOptions, keyof SnpVerificationOptions>;

const EXCHANGE_OPTIONS: OptionTable<ExchangeOptions> = {
  nonce: bytes(1, 64),
  context: contextName,
  userData: bytes(0, 64),
  collateral: collateralOption,
};

const EVIDENCE_OPTIONS: OptionTable<VerificationOptions> = /* @__PURE__ */ Object.assign(
  {},
  SNP_OPTIONS,
  EXCHANGE_OPTIONS,
);

/** Options once they have been checked, copies, and what is derived from them: as good for a thousand verifications as for one. */
export interface StandingOptions {
  policy: VerificationPolicy;
  signers: SignerDigests;
  anchors: TrustAnchors;
  crls: readonly (Uint8Array | string)[] | undefined;
  /** Undefined: the system's clock, each time. */
  now: Date | undefined;
}

/** The same for one verification. */
export interface CheckedOptions extends StandingOptions {
  now: Date;
}

export interface CheckedEvidenceOptions extends CheckedOptions {
  /** What the quote must be over. */
  qualifyingData: Uint8Array | undefined;
  userData: Uint8Array | undefined;
  collateral: TdxCollateral | undefined;
}

const NO_SIGNERS: SignerDigests = { idKeys: [], authorKeys: [] };

/** Refuses options that would silently check less than the caller meant. */
export function checkSnpOptions(what: string, given: unknown): CheckedOptions {
  const standing = checkStandingOptions(what, given);
  requireOfHardware(what, standing.policy);
  return atPresent(standing);
}

/** The options that a service has for every verification, of one kind of TEE or the other. */
export function checkStandingOptions(what: string, given: unknown): StandingOptions {
  return derived(checkOptions(what, given, SNP_OPTIONS));
}

/**
 * The same for evidence. `protocol` is the context of a protocol that this package speaks itself; callers cannot name it.
 */
export function checkEvidenceOptions(what: string, given: unknown, protocol?: string): CheckedEvidenceOptions {
  const { policy, trustedRoots, crls, now, ...exchange } = checkOptions(what, given, EVIDENCE_OPTIONS);
  return ofExchange(derived({ policy, trustedRoots, crls, now }), exchange, protocol);
}

/** Standing options with those of one exchange. */
export function checkExchangeOptions(
  what: string,
  standing: StandingOptions,
  given: unknown,
  protocol?: string,
): CheckedEvidenceOptions {
  return ofExchange(standing, checkOptions(what, given, EXCHANGE_OPTIONS), protocol);
}

function ofExchange(
  standing: StandingOptions,
  { nonce, context, userData, collateral }: ExchangeOptions,
  protocol: string | undefined,
): CheckedEvidenceOptions {
  if (context !== undefined && isReservedContext(context)) {
    throw invalid(`the context ${context} is reserved`);
  }
  if (context !== undefined && nonce === undefined) throw invalid('context needs a nonce');
  if (nonce !== undefined && isLikeQualifyingData(nonce)) {
    throw invalid('the nonce begins as that of a context');
  }
  const name = protocol ?? context;
  return {
    qualifyingData: nonce === undefined || name === undefined ? nonce : qualifyingData(name, nonce),
    userData: userData === undefined ? undefined : copyBytes(userData),
    collateral,
    ...atPresent(standing),
  };
}

function atPresent({ policy, signers, anchors, crls, now = new Date() }: StandingOptions): CheckedOptions {
  return { policy, signers, anchors, crls, now };
}

type Loose<T> = { [Name in keyof T]: T[Name] | undefined };

function derived({ policy = NOTHING, trustedRoots, crls, now }: Loose<SnpVerificationOptions>): StandingOptions {
  const namesKeys = policy.trustedIdKeys ?? policy.trustedAuthorKeys;
  const hashes = policy.trustedIdKeyHashes ?? policy.trustedAuthorKeyHashes;
  const signers = namesKeys === undefined && hashes === undefined ? NO_SIGNERS : signerDigests(policy);
  return { policy, signers, anchors: trustAnchors(trustedRoots), crls, now };
}
