import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '../../base/base64url.js';
import { equalBytes } from '../../base/bytes.js';
import { AttestationError, VerificationError } from '../../base/errors.js';
import { custom, integer, text, withMethods } from '../../base/option-kinds.js';
import { invalid, type OptionTable, required } from '../../base/options.js';
import { isLoopback } from '../../http/service-url.js';
import { ephemeralKeyFromToken, type RsaPublicJwk } from '../../token/ephemeral-key.js';
import {
  POSSESSION_CONTEXT,
  POSSESSION_LABEL,
  PROOF_BYTES,
  possessionProof,
  possessionSecret,
} from '../../token/possession-proof.js';
import { challengeBytes } from '../challenge-format.js';
import { type Challenges, createChallenges } from '../challenges.js';
import { CHALLENGE_REFUSALS, type ChallengeErrorCode } from '../refusals.js';
import { deriveKey, secrets } from '../secrets.js';
import type { ReplayStore } from '../stores/replay-store.js';
import { REQUEST_REFUSALS, RefusedRequest, type RequestRefusalCode } from './refused-request.js';

export interface ProofOfPossessionOptions {
  /** Shared by all replicas, 32 bytes or more each; the first makes, all verify. */
  secret: Uint8Array | Uint8Array[];
  /** Where used challenges are remembered. */
  store: ReplayStore;
  /** Scheme, host and port by which clients reach this service: `https://secrets.example.com`. Never taken from `Host`. */
  origin: string;
  /** Default 60,000. */
  lifetimeMs?: number;
  /** Default 60,000. */
  clockToleranceMs?: number;
  /** Default 5,000. */
  storeDeadlineMs?: number;
}

/** Header that carries `challenge.proof`. */
export const PROOF_HEADER = 'attestation-proof';

const origin = custom((value, name) => {
  const given = text.check(value, name);
  if (!URL.canParse(given)) throw invalid(`${name} must be an origin with its scheme, such as https://example.com`);
  const url = new URL(given);
  if (url.origin === 'null' || !(given === url.origin || given === `${url.origin}/`)) {
    throw invalid(`${name} must be scheme, host and port alone, such as https://example.com`);
  }
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw invalid(`${name} must be https`);
  return url.origin;
});

export const PROOF_OF_POSSESSION: OptionTable<ProofOfPossessionOptions> = {
  secret: required(secrets),
  store: required(withMethods<ReplayStore>('claim')),
  origin: required(origin),
  lifetimeMs: integer(1, 86_400_000),
  clockToleranceMs: integer(0, 3_600_000),
  storeDeadlineMs: integer(1, 600_000),
};

/** The server's half of the proof of possession. */
export class PossessionGuard {
  readonly #challenges: Challenges;
  /** One for each secret, since what goes with a challenge is made with the secret that signed it. */
  readonly #keys: readonly Buffer[];
  readonly #origin: string;

  constructor({ origin: ownOrigin, lifetimeMs = 60_000, ...options }: ProofOfPossessionOptions) {
    this.#challenges = createChallenges({ ...options, lifetimeMs });
    this.#keys = (options.secret as Uint8Array[]).map((secret) => deriveKey(secret, 'proof secret'));
    this.#origin = ownOrigin;
  }

  /**
   * Lets a request through whose proof is by the key of the (verified) token, and claims the challenge.
   *
   * @throws {RefusedRequest} 401 with a new challenge, or 503.
   */
  async check(token: string, proofs: readonly string[], method: string, target: string): Promise<void> {
    if (proofs.length === 0) throw this.#refuse(token, 'ERR_PROOF_REQUIRED');
    const [challenge = '', proofText = '', ...rest] = (proofs[0] as string).split('.');
    const proof = decodeBase64url(proofText);
    if (proofs.length > 1 || rest.length > 0 || proof?.length !== PROOF_BYTES) {
      throw this.#refuse(token, 'ERR_PROOF_FORMAT');
    }
    try {
      const checked = this.#challenges.check(challenge, POSSESSION_CONTEXT);
      const key = this.#keys[checked.secret] as Buffer;
      const secret = possessionSecret(key, checked.bytes, token, this.#origin);
      const expected = possessionProof(secret, { origin: this.#origin, method, target });
      if (!equalBytes(proof, expected)) throw this.#refuse(token, 'ERR_PROOF');
      await checked.claim();
    } catch (error) {
      if (error instanceof VerificationError) throw this.#refuse(token, error.code as ChallengeErrorCode, error);
      throw error;
    }
  }

  /**
   * A refusal with a challenge that only the holder of the token's key can answer; without one for a token that names no key,
   * as those of platforms, since nobody can prove anything with it.
   */
  #refuse(token: string, code: RequestRefusalCode | ChallengeErrorCode, cause?: unknown): RefusedRequest {
    const message = { ...REQUEST_REFUSALS, ...CHALLENGE_REFUSALS }[code];
    const key = keyOf(token);
    if (key === undefined)
      return new RefusedRequest('ERR_PROOF_REQUIRED', REQUEST_REFUSALS.ERR_PROOF_REQUIRED, { cause });
    const challenge = this.#challenges.issue(POSSESSION_CONTEXT);
    const secret = possessionSecret(this.#keys[0] as Buffer, challengeBytes(challenge), token, this.#origin);
    const sealed = encodeBase64url(
      publicEncrypt(
        {
          key: createPublicKey({ format: 'jwk', key: { ...key } }),
          padding: constants.RSA_PKCS1_OAEP_PADDING,
          oaepHash: 'sha256',
          oaepLabel: POSSESSION_LABEL,
        },
        secret,
      ),
    );
    return new RefusedRequest(code, message, {
      // In the header as well: a proxy in front passes on that alone.
      authenticate: `Attestation challenge="${challenge}", sealed="${sealed}"`,
      members: { challenge, sealed },
      cause,
    });
  }
}

function keyOf(token: string): RsaPublicJwk | undefined {
  try {
    return ephemeralKeyFromToken(token).jwk;
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
