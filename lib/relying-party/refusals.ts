import { VerificationError } from '../base/errors.js';

/** Why a challenge is refused, or why nobody can say whether it was used: stable code and what it says. */
export const CHALLENGE_REFUSALS = Object.freeze({
  ERR_CHALLENGE_FORMAT: 'The challenge is not 76 characters of base64url that begin with version 1.',
  ERR_CHALLENGE_MAC:
    'The challenge was not issued here: altered, of a retired secret, or for another context or lifetime.',
  ERR_CHALLENGE_EXPIRED: 'The challenge has expired.',
  ERR_CHALLENGE_FUTURE: 'The challenge expires later than one issued now would: a clock is wrong.',
  ERR_CHALLENGE_USED: 'The challenge has been used.',
  ERR_STORE_TIMEOUT: 'The replay store did not answer within its deadline.',
  ERR_STORE_UNAVAILABLE: 'The replay store could not be asked.',
  ERR_STORE_NOT_PRIMARY: 'The replay store is a replica, which may not know what its primary knows.',
  ERR_STORE_RESTARTED: 'The replay store may have lost its memory since this challenge was issued.',
  ERR_STORE_FULL: 'The replay store cannot take more entries.',
  ERR_STORE_CONFIGURATION: 'The replay store is configured so that it may forget entries.',
  ERR_STORE_REPLICAS: 'Too few replicas of the replay store have acknowledged the entry.',
  ERR_STORE_CONFLICT: 'The replay store could not serialize the entry with another one.',
} as const);

/** Code of a refused challenge or of a store that cannot tell, for instance `'ERR_CHALLENGE_USED'`. */
export type ChallengeErrorCode = keyof typeof CHALLENGE_REFUSALS;

/** Says nothing about who asks: the store, or what a verdict needs, cannot be had. The caller may try again with a new challenge. */
export function isUnavailable(code: string): boolean {
  return code.startsWith('ERR_STORE_') || code === 'ERR_CRL_UNAVAILABLE' || code === 'ERR_COLLATERAL_UNAVAILABLE';
}

export function refuseChallenge(code: ChallengeErrorCode, because?: string, cause?: unknown): VerificationError {
  const sentence = CHALLENGE_REFUSALS[code];
  const message = because === undefined ? sentence : `${sentence.slice(0, -1)}: ${because}`;
  return new VerificationError(code, message, [{ name: sentence, ok: false, code }], cause);
}
