import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readPrivateKey, wipingWhatIsFreed } from './private-key.js';

export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/**
 * Generates an EC or RSA key pair whose keys share nothing with the job that generated them.
 *
 * The keys of `generateKeyPairSync` share a lock with its job, which a later garbage collection frees under that lock;
 * `export({ format: 'jwk' })` holds the lock while it allocates. A collection that begins in there waits for its own thread,
 * without end (Node 20.20.2: main thread in `~KeyGenJob` below `ExportJWKRsaKey`). Keys that were read have no such job.
 */
export function newKeyPair(kind: { namedCurve: string } | { modulusLength: number }): KeyPair {
  const publicKeyEncoding = { type: 'spki', format: 'der' } as const;
  const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const;
  const encoded = wipingWhatIsFreed(() =>
    'namedCurve' in kind
      ? generateKeyPairSync('ec', { ...kind, publicKeyEncoding, privateKeyEncoding })
      : generateKeyPairSync('rsa', { ...kind, publicKeyEncoding, privateKeyEncoding }),
  );
  try {
    return {
      privateKey: readPrivateKey(encoded.privateKey, privateKeyEncoding.type),
      publicKey: createPublicKey({ key: encoded.publicKey, ...publicKeyEncoding }),
    };
  } finally {
    encoded.privateKey.fill(0);
  }
}

/** The public half of a key of whatever origin, read anew: its JWK can be taken without the wait of {@link newKeyPair}. */
export function publicHalf(key: KeyObject): KeyObject {
  const encoded = (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
  return createPublicKey({ key: encoded, type: 'spki', format: 'der' });
}
