import { isBelow, still } from '../base/bytes.js';
import { HASHES, type HashName } from '../base/sha2.js';
import { CURVES, isScalar } from './curves.js';
import type { PublicKey, SignatureEngine, SignatureScheme, Verdict } from './engine.js';
import { bitLength, isUsableKey } from './public-key.js';

/**
 * Whether `key` made `signature` over `message`; bytes never make it throw. What engines are known to differ in is decided
 * here, before any of them is asked: the bounds of the key, lengths, the range of r and s, the size of a PSS salt, and that
 * scheme and key belong together.
 */
export function verifySignature(
  engine: SignatureEngine,
  key: PublicKey,
  scheme: SignatureScheme,
  message: Uint8Array,
  signature: Uint8Array,
): Verdict {
  return (
    isUsableKey(key, engine) &&
    isWellFormed(key, scheme, signature) &&
    engine.verify(key, scheme, still(message), still(signature))
  );
}

function isWellFormed(key: PublicKey, scheme: SignatureScheme, signature: Uint8Array): boolean {
  if (key.type === 'ec') {
    const { size } = CURVES[key.curve];
    return (
      scheme.scheme === 'ecdsa' &&
      signature.length === 2 * size &&
      isScalar(key.curve, signature.subarray(0, size)) &&
      isScalar(key.curve, signature.subarray(size))
    );
  }
  // RFC 8017 section 5.2.2: a signature is a number below the modulus.
  if (scheme.scheme === 'ecdsa' || signature.length !== key.n.length || !isBelow(signature, key.n)) return false;
  return scheme.scheme === 'rsa-pkcs1' || saltFits(key.n, scheme.hash, scheme.saltLength);
}

/** RFC 8017 section 9.1.1: emLen ≥ hLen + sLen + 2, where emBits is one less than the modulus has. */
function saltFits(n: Uint8Array, hash: HashName, saltLength: number): boolean {
  const emBits = bitLength(n) - 1;
  return (
    Number.isInteger(saltLength) &&
    saltLength >= 0 &&
    Math.ceil(emBits / 8) >= HASHES[hash].digestBytes + saltLength + 2
  );
}
