import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { HashName } from '../base/sha2.js';
import type { PublicKey, SignatureEngine } from './engine.js';
import { jwkOfPublicKey } from './public-key.js';

const NAMES: Readonly<Record<HashName, string>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

/** Node's own OpenSSL, synchronous: for Node where the addon does not load (macOS, Windows, musl). */
export const nodeEngine: SignatureEngine = {
  name: 'node',
  verify: (key, scheme, message, signature) => {
    try {
      const keyObject = keyObjectOf(key);
      const hash = NAMES[scheme.hash];
      if (scheme.scheme === 'ecdsa') {
        return verify(hash, message, { key: keyObject, dsaEncoding: 'ieee-p1363' }, signature);
      }
      const padding = scheme.scheme === 'rsa-pss' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
      const saltLength = scheme.scheme === 'rsa-pss' ? { saltLength: scheme.saltLength } : {};
      return verify(hash, message, { key: keyObject, padding, ...saltLength }, signature);
    } catch {
      return false;
    }
  },
  digest: (hash, data) => createHash(NAMES[hash]).update(data).digest(),
};

const keyObjects = new WeakMap<PublicKey, KeyObject>();

function keyObjectOf(key: PublicKey): KeyObject {
  let keyObject = keyObjects.get(key);
  if (keyObject === undefined) {
    keyObject = createPublicKey({ format: 'jwk', key: jwkOfPublicKey(key) });
    keyObjects.set(key, keyObject);
  }
  return keyObject;
}
