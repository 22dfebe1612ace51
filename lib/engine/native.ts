import type { NativePublicKey, SignatureBinding } from '../../binding.js';
import type { PublicKey, SignatureEngine } from './engine.js';

/** The OpenSSL inside the addon, synchronous. */
export function nativeEngine(binding: SignatureBinding): SignatureEngine {
  const parsed = new WeakMap<PublicKey, NativePublicKey>();
  const nativeKey = (key: PublicKey): NativePublicKey => {
    let known = parsed.get(key);
    if (known === undefined) {
      const { PublicKey: Key } = binding;
      known = key.type === 'rsa' ? new Key('rsa', key.n, key.e) : new Key(key.curve, key.x, key.y);
      parsed.set(key, known);
    }
    return known;
  };
  return {
    name: 'native',
    checksPoints: true,
    verify: (key, scheme, message, signature) => {
      try {
        const salt = scheme.scheme === 'rsa-pss' ? scheme.saltLength : 0;
        return nativeKey(key).verify(scheme.scheme, scheme.hash, message, signature, salt);
      } catch {
        return false;
      }
    },
    digest: (hash, data) => binding.digest(hash, data),
  };
}
