import { AttestationError, ErrorCode } from '../errors.js';
import { type ChainCertificate, loadCertificates } from './certificate.js';
import type { Product } from './types.js';

/**
 * AMD's root keys (ARK): SHA-256 of the DER SubjectPublicKeyInfo, recomputed from the chains that AMD publishes at
 * https://kdsintf.amd.com/vcek/v1/{product}/cert_chain.
 */
export const AMD_ROOT_KEYS: Readonly<Record<Product, string>> = Object.freeze({
  Milan: '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
  Genoa: '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
  Turin: '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
});

/** What a chain may end in. */
export interface TrustAnchors {
  /** Public key digests trusted for a product. */
  keysOf(product: Product): readonly string[];
  /** Root certificates that the caller gave: they complete a chain that comes without its root. */
  certificates: readonly ChainCertificate[];
}

const AMD_ANCHORS: TrustAnchors = { keysOf: (product) => [AMD_ROOT_KEYS[product]], certificates: [] };

/**
 * Roots given by the caller replace AMD's pins altogether: with a simulated machine's root, genuine evidence is refused,
 * and the reverse. A root is for the product in its common name (`ARK-Milan`, `ARK-Genoa`, `ARK-Turin`).
 */
export function trustAnchors(roots: readonly (Uint8Array | string)[] | undefined): TrustAnchors {
  if (roots === undefined) return AMD_ANCHORS;
  if (!Array.isArray(roots) || roots.length === 0) {
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      'trustedRoots is an array of one or more certificates',
    );
  }
  let certificates: ChainCertificate[];
  try {
    certificates = roots.flatMap((root) => loadCertificates(root));
  } catch (cause) {
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      'trustedRoots holds something else than certificates',
      {
        cause,
      },
    );
  }
  const keysOf = (product: Product): string[] =>
    certificates.filter(({ info }) => info.subject === `ARK-${product}`).map(({ info }) => info.publicKeyDigest);
  return { keysOf, certificates };
}
