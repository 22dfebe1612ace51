import { randomBytes } from 'node:crypto';
import { HmacKey } from '../base/hmac-key.js';
import { integer, withMethods } from '../base/option-kinds.js';
import { checkOptions, required } from '../base/options.js';
import {
  type ChallengeFields,
  challengeBytes,
  contextBytes,
  formatChallenge,
  RANDOM_BYTES,
  readChallenge,
  signedTerms,
} from './challenge-format.js';
import { refuseChallenge } from './refusals.js';
import { deriveKey, secrets } from './secrets.js';
import { Deadlines } from './stores/deadlines.js';
import {
  answersWithin,
  DEFAULT_TOLERANCE_MS,
  type ReplayStore,
  storeFailure,
  type TolerantStore,
  useTolerance,
} from './stores/replay-store.js';

export interface ChallengeOptions {
  /** Shared by all replicas: 1 to 4 secrets of at least 32 bytes. The first signs, all verify. */
  secret: Uint8Array | Uint8Array[];
  /** For how long a challenge may be redeemed, 1 to 86,400,000. Default 300,000. */
  lifetimeMs?: number;
  /**
   * Bounds the difference of any two clocks of the deployment, the store's included; 0 to 3,600,000. Default 60,000. The
   * same on every replica.
   */
  clockToleranceMs?: number;
  /** Where used challenges are remembered. */
  store: ReplayStore;
  /** For how long the store may think about one claim. Default 5,000. */
  storeDeadlineMs?: number;
}

/** A challenge that was issued here and has not expired. Nothing has been claimed yet. */
export interface CheckedChallenge {
  /** The 57 bytes: what the quote's nonce must be. */
  readonly bytes: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly expiry: number;
  /** Which of the secrets has signed it: keys for what goes with the challenge are derived from the same. */
  readonly secret: number;
  /**
   * Claims it. Call it once everything else is verified, and before the first effect.
   *
   * @throws {VerificationError} `ERR_CHALLENGE_USED`, `ERR_CHALLENGE_EXPIRED` or one of the `ERR_STORE_…`.
   */
  claim(): Promise<void>;
}

/** Challenges that any replica issues and any replica redeems, once. */
export interface Challenges {
  /** A new challenge, 76 characters. `context` (1 to 32 characters) says what for: it can be redeemed for nothing else. */
  issue(context?: string): string;
  /**
   * Checks a challenge and claims it: resolves once for each. Call it after the evidence or token that answers the
   * challenge is verified, and before the first effect.
   *
   * @throws {VerificationError} one of {@link CHALLENGE_REFUSALS}.
   */
  redeem(challenge: string, context?: string): Promise<void>;
  /**
   * The first half of {@link redeem}, for those who need the bytes before the claim. Synchronous.
   *
   * @throws {VerificationError} one of the `ERR_CHALLENGE_…`.
   */
  check(challenge: string, context?: string): CheckedChallenge;
}

/**
 * Issues and redeems challenges. Issuing stores nothing; redeeming is one atomic claim in `store`.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function createChallenges(options: ChallengeOptions): Challenges {
  const {
    secret,
    store,
    lifetimeMs = 300_000,
    clockToleranceMs = DEFAULT_TOLERANCE_MS,
    storeDeadlineMs = 5_000,
  } = checkOptions<ChallengeOptions>('createChallenges', options, {
    secret: required(secrets),
    lifetimeMs: integer(1, 86_400_000),
    clockToleranceMs: integer(0, 3_600_000),
    store: required(withMethods<ReplayStore>('claim')),
    storeDeadlineMs: integer(1, 600_000),
  });
  const keys = (secret as Uint8Array[]).map((one) => new HmacKey(deriveKey(one, 'challenge')));
  const own = store as Partial<TolerantStore>;
  own[useTolerance]?.(clockToleranceMs);
  const deadlines =
    (own[answersWithin] ?? Number.POSITIVE_INFINITY) <= storeDeadlineMs ? undefined : new Deadlines(storeDeadlineMs);

  const claim = async (fields: () => ChallengeFields): Promise<void> => {
    const { random, expiry } = fields();
    // Outlives the challenge on the slowest clock, wherever it was claimed.
    const ttlMs = lifetimeMs + 2 * clockToleranceMs;
    const issuedAt = expiry - lifetimeMs - clockToleranceMs;
    let won: unknown;
    try {
      const claimed = store.claim(`challenge:${random}`, ttlMs, issuedAt);
      won = await (deadlines === undefined ? claimed : deadlines.bound(claimed));
    } catch (error) {
      throw storeFailure(error);
    }
    if (won !== true) throw refuseChallenge('ERR_CHALLENGE_USED');
    // The store may have taken so long that another replica has forgotten its claim by now.
    refuseByClock(expiry);
  };
  const refuseByClock = (expiry: number): void => {
    const now = Date.now();
    if (expiry <= now) throw refuseChallenge('ERR_CHALLENGE_EXPIRED');
    if (expiry > now + lifetimeMs + clockToleranceMs) throw refuseChallenge('ERR_CHALLENGE_FUTURE');
  };
  const plainTerms = signedTerms(lifetimeMs, contextBytes(undefined));
  const termsOf = (context: string | undefined): Buffer =>
    context === undefined ? plainTerms : signedTerms(lifetimeMs, contextBytes(context));
  /** Of a challenge that was issued here, and has not expired. */
  const read = (challenge: string, context: string | undefined): ChallengeFields => {
    const fields = readChallenge(challenge, keys, termsOf(context));
    refuseByClock(fields.expiry);
    return fields;
  };
  return {
    issue: (context) =>
      formatChallenge(randomBytes(RANDOM_BYTES), Date.now() + lifetimeMs, keys[0] as HmacKey, termsOf(context)),
    redeem: (challenge, context) => claim(() => read(challenge, context)),
    check: (challenge, context) => {
      const fields = read(challenge, context);
      const { expiry, secret } = fields;
      return {
        bytes: challengeBytes(challenge),
        expiry,
        secret,
        claim: () =>
          claim(() => {
            refuseByClock(expiry);
            return fields;
          }),
      };
    },
  };
}
