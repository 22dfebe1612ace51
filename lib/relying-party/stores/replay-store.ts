import { VerificationError } from '../../base/errors.js';
import { invalid } from '../../base/options.js';
import { refuseChallenge } from '../refusals.js';

/** Where several replicas of a relying party remember which challenges were used. */
export interface ReplayStore {
  /**
   * Claims `key` for `ttlMs`, atomically: true for exactly one caller, false for every other. Rejects when that cannot be
   * told; whoever asks must then refuse.
   *
   * `issuedAt` (ms since the epoch, by the earliest clock of the deployment) is when what is claimed began to exist: a store that may have forgotten
   * since then rejects. Without it no such check is made.
   */
  claim(key: string, ttlMs: number, issuedAt?: number): Promise<boolean>;
}

/** Internal: challenges tell the stores of this package the tolerance that `issuedAt` was computed with. */
export const useTolerance = Symbol('clock tolerance');

/** Internal: the deadline that a store of this package keeps by itself, in milliseconds. */
export const answersWithin = Symbol('answers within');

export interface TolerantStore extends ReplayStore {
  [useTolerance](clockToleranceMs: number): void;
  readonly [answersWithin]: number;
}

export const DEFAULT_TOLERANCE_MS = 60_000;

const KEY_CHARACTER = /[\w:.-]/;
/** The same by code: a regular expression over a whole key takes longer than all else that is checked of a claim. */
const KEY_CODES = Uint8Array.from({ length: 128 }, (_, code) =>
  KEY_CHARACTER.test(String.fromCharCode(code)) ? 1 : 0,
);
const MAXIMUM_KEY = 128;
const MAXIMUM_TTL_MS = 2 ** 40;

/** Checks the arguments of a claim. @throws {AttestationError} 8 */
export function checkClaim(key: string, ttlMs: number, issuedAt: number | undefined): void {
  if (typeof key !== 'string' || !isKey(key)) throw invalid('key must have 1 to 128 letters, digits or any of _:.-');
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > MAXIMUM_TTL_MS) throw invalid('ttlMs must be milliseconds');
  if (issuedAt !== undefined && !Number.isFinite(issuedAt)) throw invalid('issuedAt must be milliseconds');
}

function isKey(key: string): boolean {
  if (key.length === 0 || key.length > MAXIMUM_KEY) return false;
  for (let at = 0; at < key.length; at++) if (KEY_CODES[key.charCodeAt(at)] !== 1) return false;
  return true;
}

/** What a store's rejection is to whoever asked: a refusal with a code, whatever it was before. */
export function storeFailure(error: unknown): VerificationError {
  if (error instanceof VerificationError) return error;
  return refuseChallenge('ERR_STORE_UNAVAILABLE', undefined, error);
}
