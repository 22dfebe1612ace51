import { createHash, type JsonWebKey, sign } from 'node:crypto';
import { type Certificate, issueCertificate } from './certificate.js';
import { type KeyPair, pooledRsaKeyPair } from './key-pool.js';

/** One published key of the attestation service. */
export interface PublishedKey extends JsonWebKey {
  kid: string;
  kty: string;
  alg: 'RS256';
  use: 'sig';
  /** Self-signed certificate of the key, base64 DER. */
  x5c: string[];
}

const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs attestation tokens with RS256 (RFC 7515). */
export class TokenSigner {
  /** Standard base64 with `+ / =`, as the service's key ids are. */
  readonly keyId: string;
  readonly certificate: Certificate;
  readonly #keys: KeyPair;

  private constructor(keys: KeyPair) {
    this.#keys = keys;
    const name = { CN: 'Simulated Attestation Service' };
    this.certificate = issueCertificate({
      subject: name,
      issuer: name,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: 1,
      notBefore: new Date(Date.now() - 24 * 3600 * 1000),
      notAfter: new Date(Date.now() + 365 * 24 * 3600 * 1000),
    });
    this.keyId = createHash('sha256').update(this.certificate.der).digest('base64');
  }

  /** @param name signers of different names have different keys */
  static async create(name = 'default'): Promise<TokenSigner> {
    return new TokenSigner(await pooledRsaKeyPair(`${name}-token`, 2048));
  }

  get publishedKey(): PublishedKey {
    return {
      ...this.#keys.publicKey.export({ format: 'jwk' }),
      kty: 'RSA',
      kid: this.keyId,
      alg: 'RS256',
      use: 'sig',
      x5c: [this.certificate.der.toString('base64')],
    };
  }

  /** Compact JWS of these claims; `header` members override or add to `alg`, `kid` and `typ`. */
  sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}): string {
    const protectedHeader = { alg: 'RS256', ...header, kid: header.kid ?? this.keyId, typ: 'JWT' };
    const signingInput = `${segment(protectedHeader)}.${segment(claims)}`;
    return `${signingInput}.${sign('sha256', Buffer.from(signingInput), this.#keys.privateKey).toString('base64url')}`;
  }
}

/** A token that nobody signed: what attesting against a draft policy gives. */
export function unsignedToken(claims: Record<string, unknown>): string {
  return `${segment({ alg: 'none', typ: 'JWT' })}.${segment(claims)}.`;
}
