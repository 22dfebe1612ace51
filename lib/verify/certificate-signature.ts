import type { RevocationList } from '../abi/crl.js';
import type { Certificate } from '../abi/x509.js';
import { namesIssuer } from '../abi/x509.js';
import { CRL_SIGN } from '../abi/x509-extensions.js';
import { fieldSize, rawEcdsaSignature, type SignatureAlgorithm } from '../abi/x509-key.js';
import { equalBytes } from '../base/bytes.js';
import type { PublicKey, SignatureEngine, Verdict } from '../engine/engine.js';
import { verifySignature } from '../engine/verify-signature.js';

/** Whether `issuer` is named as the certificate's issuer and its key made the signature. Says nothing of dates or trust. */
export function isIssuedBy(engine: SignatureEngine, certificate: Certificate, issuer: Certificate): Verdict {
  return namesIssuer(certificate, issuer) && verifySigned(engine, issuer.publicKey, certificate);
}

/** The same for a revocation list; `issuer` must be allowed to sign lists where it says what it may do. */
export function isListIssuedBy(engine: SignatureEngine, list: RevocationList, issuer: Certificate): Verdict {
  if (!equalBytes(list.issuer.raw, issuer.subject.raw)) return false;
  if (((issuer.keyUsage ?? CRL_SIGN) & CRL_SIGN) === 0) return false;
  return verifySigned(engine, issuer.publicKey, list);
}

interface Signed {
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** Whether `key` made the signature of a certificate or list, by the algorithm that it names. Never throws for bytes. */
export function verifySigned(
  engine: SignatureEngine,
  key: PublicKey | undefined,
  { tbs, signatureAlgorithm, signature }: Signed,
): Verdict {
  const { scheme } = signatureAlgorithm;
  if (key === undefined || scheme === undefined) return false;
  const raw = key.type === 'ec' ? rawSignature(signature, fieldSize(key.curve)) : signature;
  return raw !== undefined && verifySignature(engine, key, scheme, tbs, raw);
}

function rawSignature(der: Uint8Array, size: number): Uint8Array | undefined {
  try {
    return rawEcdsaSignature(der, size);
  } catch {
    return undefined;
  }
}
