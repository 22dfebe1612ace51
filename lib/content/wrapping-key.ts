import { createHash } from 'node:crypto';
import { type NativeRsaPublicKey, native } from '../native.js';
import { type EncryptionTarget, encryptionKeyOf, type RsaPublicJwk } from '../token/ephemeral-key.js';

/** The token's key, ready to wrap content keys. */
export interface WrappingKey {
  readonly publicKey: NativeRsaPublicKey;
  jwk: RsaPublicJwk;
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string;
}

/** Tokens live for hours and are used for many messages: the last few keep their parsed key. */
const LIMIT = 32;
const recent = new Map<string, WrappingKey>();

/**
 * The key of a token (or of a JWK from verified evidence), parsed once.
 *
 * @throws AttestationError 8, 22 or 23, see `encryptionKeyOf`
 */
export function wrappingKeyOf(tokenOrJwk: EncryptionTarget): WrappingKey {
  if (typeof tokenOrJwk !== 'string') return parse(tokenOrJwk);
  // By hash, so that no token is kept in memory longer than its caller wants.
  const id = createHash('sha256').update(tokenOrJwk).digest('base64');
  const known = recent.get(id);
  const key = known ?? parse(tokenOrJwk);
  recent.delete(id);
  recent.set(id, key);
  if (recent.size > LIMIT) recent.delete(recent.keys().next().value as string);
  return key;
}

function parse(tokenOrJwk: EncryptionTarget): WrappingKey {
  const { jwk, thumbprint } = encryptionKeyOf(tokenOrJwk);
  let publicKey: NativeRsaPublicKey | undefined;
  return {
    get publicKey() {
      const { RsaPublicKey } = native();
      publicKey ??= new RsaPublicKey(Buffer.from(jwk.n, 'base64url'), Buffer.from(jwk.e, 'base64url'));
      return publicKey;
    },
    jwk,
    thumbprint,
  };
}
