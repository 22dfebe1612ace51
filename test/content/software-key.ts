import { constants, createHash, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto';
import type { UnwrapContext } from '../../lib/content/unwrap.js';

/** A token whose ephemeral key is in software, and the callback that stands in for the TPM. */
export interface SoftwareKey {
  token: string;
  publicKey: KeyObject;
  privateKey: KeyObject;
  thumbprint: string;
  unwrap(encryptedKey: Uint8Array, context?: UnwrapContext): Promise<Buffer>;
  /** Calls of `unwrap` so far. */
  readonly unwraps: number;
}

export function softwareKey(): SoftwareKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return softwareKeyFrom(publicKey, privateKey);
}

export function softwareKeyFrom(publicKey: KeyObject, privateKey: KeyObject): SoftwareKey {
  const { n, e } = publicKey.export({ format: 'jwk' });
  const claims = { 'x-ms-runtime': { keys: [{ kid: 'TpmEphemeralEncryptionKey', kty: 'RSA', e, n }] } };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  let unwraps = 0;
  return {
    token: `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2ln`,
    publicKey,
    privateKey,
    thumbprint: createHash('sha256').update(`{"e":"${e}","kty":"RSA","n":"${n}"}`).digest('base64url'),
    async unwrap(encryptedKey) {
      unwraps++;
      return privateDecrypt(
        { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
        encryptedKey,
      );
    },
    get unwraps() {
      return unwraps;
    },
  };
}

/** Reproducible bytes that are not all the same. */
export function pattern(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    bytes[i] = state >>> 16;
  }
  return bytes;
}
