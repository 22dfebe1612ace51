import { hkdfSync } from 'node:crypto';
import { bytes, custom, oneOrMore } from '../base/option-kinds.js';
import { invalid, type OptionKind } from '../base/options.js';

const MINIMUM_SECRET_BYTES = 32;
const MAXIMUM_SECRETS = 4;

/** What a key derived from the shared secret is for: keys of two purposes have nothing to do with each other. */
export type KeyPurpose = 'challenge' | 'cache' | 'jwks' | 'kbs cookie' | 'kbs token' | 'proof secret';

/**
 * The shared secrets, copied: 1 to 4 of at least 32 bytes each. The first makes, all verify: deploy a new one last in the
 * list, then first, then drop the old one after a lifetime.
 */
export const secrets: OptionKind<Uint8Array[]> = custom((value, name) => {
  const list = oneOrMore(bytes(MINIMUM_SECRET_BYTES)).check(value, name);
  if (list.length > MAXIMUM_SECRETS) throw invalid(`${name} must be at most ${MAXIMUM_SECRETS} secrets`);
  return list;
});

/** HKDF-SHA-256 with an empty salt (RFC 5869): 32 bytes for one purpose. */
export function deriveKey(secret: Uint8Array, purpose: KeyPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `cvm-guest-attestation ${purpose} v1`, 32));
}
