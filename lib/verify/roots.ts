import type { Product } from '../abi/tcb.js';
import { isBytes } from '../base/bytes.js';
import { custom, hexText, listOf, oneOf } from '../base/option-kinds.js';
import { checkArgument, invalid, nested, required } from '../base/options.js';
import { AZURE_VTPM_ROOT_KEYS } from './azure-roots.js';
import { type ChainCertificate, loadCertificates } from './snp/certificate.js';

/** What a root is the root of: AMD's product lines, Intel's platforms, the certificates of Azure's virtual TPMs. */
export type RootOf = Product | 'IntelSgx' | 'AzureVtpm';

/** A root key that chains may end in: what `trustedRoots` takes besides certificates. */
export interface TrustedRoot {
  product: RootOf;
  /** SHA-256 of the DER SubjectPublicKeyInfo, hex. */
  publicKeySha256: string;
}

/** A root in any of the shapes that callers have it in: certificate (DER, PEM) or product and key digest. */
export type TrustedRootInput = Uint8Array | string | TrustedRoot;

/** What each root certificate is called: that decides what it is trusted for. */
const COMMON_NAMES: readonly (readonly [RootOf, RegExp])[] = [
  ['Milan', /^ARK-Milan$/],
  ['Genoa', /^ARK-Genoa$/],
  ['Turin', /^ARK-Turin$/],
  ['IntelSgx', /^Intel SGX Root CA$/],
  ['AzureVtpm', /Virtual TPM (?:Root )?C(?:A|ertificate Authority)\b/],
];

const PIN = nested<TrustedRoot>({
  product: required(oneOf('Milan', 'Genoa', 'Turin', 'IntelSgx', 'AzureVtpm')),
  publicKeySha256: required(hexText(32)),
});

const ROOTS = listOf(
  custom((root, name) =>
    typeof root === 'string' || isBytes(root) ? rootCertificates(root, name) : PIN.check(root, name),
  ),
  1,
  64,
);

/**
 * AMD's root keys (ARK): SHA-256 of the DER SubjectPublicKeyInfo, recomputed from the chains that AMD publishes at
 * https://kdsintf.amd.com/vcek/v1/{product}/cert_chain.
 */
export const AMD_ROOT_KEYS: Readonly<Record<Product, string>> = /* @__PURE__ */ Object.freeze({
  Milan: '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
  Genoa: '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
  Turin: '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
});

/** Intel SGX Root CA: SHA-256 of the DER SubjectPublicKeyInfo, recomputed from the certificate in genuine quotes. */
export const INTEL_ROOT_KEY = 'a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e';

/** What a chain may end in. */
export interface TrustAnchors {
  /** Public key digests trusted as the roots of something. */
  keysOf(root: RootOf): readonly string[];
  /** Root certificates that the caller gave: they complete a chain that comes without its root. */
  certificates: readonly ChainCertificate[];
}

const PINNED: TrustAnchors = {
  keysOf: (root) =>
    root === 'AzureVtpm' ? AZURE_VTPM_ROOT_KEYS : [root === 'IntelSgx' ? INTEL_ROOT_KEY : AMD_ROOT_KEYS[root]],
  certificates: [],
};

/**
 * Roots given by the caller replace all pins together: with a simulated machine's root, genuine evidence is refused, and
 * the reverse. A certificate is for what its common name says (`ARK-Milan`, `ARK-Genoa`, `ARK-Turin`, `Intel SGX Root CA`,
 * `… Virtual TPM …`).
 */
export function trustAnchors(roots: readonly TrustedRootInput[] | undefined): TrustAnchors {
  if (roots === undefined) return PINNED;
  const given = checkArgument('verification', 'trustedRoots', roots, ROOTS);
  const certificates = given.flatMap((one) => (Array.isArray(one) ? one : []));
  const pins = given.flatMap((one) => (Array.isArray(one) ? one.flatMap(pinOfCertificate) : one));
  return {
    keysOf: (root) => pins.filter(({ product }) => product === root).map((pin) => pin.publicKeySha256.toLowerCase()),
    certificates,
  };
}

// PEM text may hold the whole chain: only the roots in it become trusted.
function rootCertificates(input: Uint8Array | string, name: string): ChainCertificate[] {
  let certificates: ChainCertificate[] = [];
  try {
    certificates = loadCertificates(typeof input === 'string' ? input : new Uint8Array(input));
  } catch (cause) {
    throw invalid(`${name} holds no certificate`, cause);
  }
  if (certificates.flatMap(pinOfCertificate).length === 0) {
    throw invalid(`${name} is not a root of AMD, Intel or Azure`);
  }
  return certificates;
}

function pinOfCertificate({ subject, issuer, publicKeyDigest }: ChainCertificate): TrustedRoot[] {
  if (subject !== issuer) return [];
  const [product] = COMMON_NAMES.find(([, name]) => name.test(subject)) ?? [];
  return product === undefined ? [] : [{ product, publicKeySha256: publicKeyDigest }];
}
