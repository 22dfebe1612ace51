import { VerificationError } from '../../base/errors.js';
import { type ChallengeErrorCode, refuseChallenge } from '../refusals.js';

/** First words of Redis' error replies. */
const REDIS_ERRORS: Readonly<Record<string, ChallengeErrorCode>> = {
  OOM: 'ERR_STORE_FULL',
  MISCONF: 'ERR_STORE_FULL',
  READONLY: 'ERR_STORE_NOT_PRIMARY',
  NOREPLICAS: 'ERR_STORE_REPLICAS',
  NOPERM: 'ERR_STORE_CONFIGURATION',
  NOAUTH: 'ERR_STORE_CONFIGURATION',
  WRONGPASS: 'ERR_STORE_CONFIGURATION',
};

/** A refusal or failure of Redis or its client as a refusal with a code. */
export function redisFailure(error: unknown): VerificationError {
  if (error instanceof VerificationError) return error;
  const message = error instanceof Error ? error.message : '';
  const code = REDIS_ERRORS[message.split(' ', 1)[0] ?? ''] ?? 'ERR_STORE_UNAVAILABLE';
  return refuseChallenge(code, undefined, error);
}

/** SQLSTATE classes and codes, PostgreSQL documentation, appendix A. */
const SQL_STATES: readonly (readonly [RegExp, ChallengeErrorCode])[] = [
  [/^53[1-4]00$/, 'ERR_STORE_FULL'],
  [/^25006$/, 'ERR_STORE_NOT_PRIMARY'],
  [/^40/, 'ERR_STORE_CONFLICT'],
  [/^55P03$/, 'ERR_STORE_CONFLICT'],
  [/^57014$/, 'ERR_STORE_TIMEOUT'],
  [/^(28|42|3D|3F)/, 'ERR_STORE_CONFIGURATION'],
];

/** A refusal or failure of PostgreSQL or its client as a refusal with a code. */
export function postgresFailure(error: unknown): VerificationError {
  if (error instanceof VerificationError) return error;
  const state = (error as { code?: unknown } | null)?.code;
  const found = typeof state === 'string' ? SQL_STATES.find(([pattern]) => pattern.test(state)) : undefined;
  return refuseChallenge(found?.[1] ?? 'ERR_STORE_UNAVAILABLE', undefined, error);
}
