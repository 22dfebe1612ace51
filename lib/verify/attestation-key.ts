import type { RuntimeClaims } from '../abi/runtime-claims.js';
import type { PublicKey, SignatureEngine, Verdict } from '../engine/engine.js';
import { publicKeyFromJwk } from '../engine/public-key.js';
import { verifySignature } from '../engine/verify-signature.js';
import type { CheckList } from './check-codes.js';

const KID = 'HCLAkPub';
const BOUNDS = { minBits: 2048, maxBits: 8192, exponent: 65537 };
const SCHEME = { scheme: 'rsa-pkcs1', hash: 'SHA-256' } as const;

/** The vTPM's attestation key as the runtime claims give it: RSA. */
export type AttestationKey = Extract<PublicKey, { type: 'rsa' }>;

/** Takes the one attestation key out of the claims; two of that name, or a weak one, are refused. */
export function checkAttestationKey(list: CheckList, claims: RuntimeClaims | undefined): AttestationKey | undefined {
  const name = 'attestation key of the runtime claims';
  if (claims === undefined) {
    list.notChecked('ak', name, 'the runtime claims cannot be read');
    return undefined;
  }
  const named = claims.keys.filter((key) => key.kid === KID);
  const [jwk] = named;
  const key = named.length === 1 && jwk !== undefined ? attestationKeyOf(jwk) : undefined;
  list.add('ak', name, 'ERR_AK', key !== undefined, {
    expected: `exactly one ${KID}: RSA of ${BOUNDS.minBits} to ${BOUNDS.maxBits} bits, exponent ${BOUNDS.exponent}`,
    actual: key === undefined ? `${named.length} of that name` : `RSA of ${key.n.length * 8} bits`,
  });
  return key;
}

/** Keys of the machines that were seen last, by modulus: an engine sets a key up once. Being here proves nothing. */
const known = new Map<string, AttestationKey>();
const KNOWN_KEYS = 64;

function attestationKeyOf({ kty, n, e }: RuntimeClaims['keys'][0]): AttestationKey | undefined {
  if (kty !== 'RSA' || n.length > 2048 || e.length > 16) return undefined;
  const before = e === 'AQAB' ? known.get(n) : undefined;
  if (before !== undefined) return before;
  const key = publicKeyFromJwk({ kty, n, e }, BOUNDS);
  if (key?.type !== 'rsa') return undefined;
  if (e === 'AQAB') {
    const [oldest] = known.keys();
    if (known.size >= KNOWN_KEYS && oldest !== undefined) known.delete(oldest);
    known.set(n, key);
  }
  return key;
}

/** Whether the attestation key made an RSASSA-PKCS1-v1_5 SHA-256 signature. */
export function attestationKeySigned(
  engine: SignatureEngine,
  key: AttestationKey,
  message: Uint8Array,
  signature: Uint8Array,
): Verdict {
  return verifySignature(engine, key, SCHEME, message, signature);
}
