import { encodeBase64url } from '../../base/base64url.js';
import { deriveKey } from '../secrets.js';
import { type RecipientJwk, recipientKey, thumbprintOf } from './recipient-key.js';
import { noSession } from './session-cookie.js';

/** What a session proves, as the broker's own token carries it. */
export interface BrokerTokenContent {
  key: RecipientJwk;
  claims: Record<string, unknown>;
}

const TYPE = 'kbs+jwt';
const LIFETIME_SECONDS = 300;

/**
 * The token that `attest` answers: for this broker alone, five minutes, bound to the recipient key. It is made with a shared
 * secret, since nobody else is meant to believe it.
 */
export class BrokerTokens {
  readonly #keys: readonly Buffer[];
  readonly #audience: string;
  readonly #digest: string;

  constructor(secrets: readonly Uint8Array[], name: string, digest: Uint8Array) {
    this.#keys = secrets.map((secret) => deriveKey(secret, 'kbs token'));
    this.#audience = name;
    this.#digest = encodeBase64url(digest);
  }

  async issue({ key, claims }: BrokerTokenContent): Promise<string> {
    // At the first use: loading it takes longer than all of this package.
    const { SignJWT } = await import('jose');
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ 'tee-pubkey': key, claims, 'policy-digest': this.#digest, cnf: { jkt: thumbprintOf(key) } })
      .setProtectedHeader({ alg: 'HS256', typ: TYPE })
      .setIssuer(this.#audience)
      .setAudience(this.#audience)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFETIME_SECONDS)
      .sign(this.#keys[0] as Buffer);
  }

  /** @throws {BrokerRefusal} 401 */
  async open(token: string): Promise<BrokerTokenContent> {
    const { jwtVerify } = await import('jose');
    for (const key of this.#keys) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: ['HS256'],
          typ: TYPE,
          audience: this.#audience,
          issuer: this.#audience,
          requiredClaims: ['exp', 'cnf'],
        });
        const recipient = recipientKey(payload['tee-pubkey']);
        const jkt = (payload.cnf as { jkt?: unknown }).jkt;
        const isOurs = payload['policy-digest'] === this.#digest;
        if (!isOurs || recipient === undefined || thumbprintOf(recipient.jwk) !== jkt) break;
        return { key: recipient.jwk, claims: payload.claims as Record<string, unknown> };
      } catch {
        // The next secret may have made it.
      }
    }
    throw noSession('the token is not of this broker');
  }
}
