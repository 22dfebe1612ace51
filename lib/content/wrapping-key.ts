import { createHash } from 'node:crypto';
import { hasNative, type NativeRsaPublicKey, native } from '../native.js';
import { type EncryptionTarget, encryptionKeyOf, type RsaPublicJwk } from '../token/ephemeral-key.js';
import { encodeHeader } from './header.js';

/** The token's key, ready to wrap content keys. */
export interface WrappingKey {
  readonly publicKey: NativeRsaPublicKey;
  jwk: RsaPublicJwk;
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string;
  /** The protected header of a message to it, base64url: the same for all of them, as are its bytes. */
  readonly header: { text: string; bytes: Buffer };
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
  const id = hashOf(tokenOrJwk);
  const known = recent.get(id);
  const key = known ?? parse(tokenOrJwk);
  recent.delete(id);
  recent.set(id, key);
  if (recent.size > LIMIT) recent.delete(recent.keys().next().value as string);
  return key;
}

/** By the addon where it is, whose code for SHA-256 the wrapping of keys needs anyway: half of the time. */
function hashOf(token: string): string {
  if (!hasNative()) return createHash('sha256').update(token).digest('base64');
  return Buffer.from(native().digest('SHA-256', Buffer.from(token)).buffer).toString('latin1');
}

function parse(tokenOrJwk: EncryptionTarget): WrappingKey {
  const { jwk, thumbprint } = encryptionKeyOf(tokenOrJwk);
  let publicKey: NativeRsaPublicKey | undefined;
  let header: WrappingKey['header'] | undefined;
  return {
    get header() {
      if (header === undefined) {
        const text = encodeHeader(thumbprint);
        header = { text, bytes: Buffer.from(text, 'latin1') };
      }
      return header;
    },
    get publicKey() {
      const { RsaPublicKey } = native();
      publicKey ??= new RsaPublicKey(Buffer.from(jwk.n, 'base64url'), Buffer.from(jwk.e, 'base64url'));
      return publicKey;
    },
    jwk,
    thumbprint,
  };
}
