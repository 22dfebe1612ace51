import { invalid } from '../base/options.js';
import { parseServiceUrl } from '../http/service-url.js';

/** Where collateral comes from: one origin, and where its list of the root is, in the order in which they are tried. */
export interface PcsSource {
  /** With a slash at its end. */
  readonly base: URL;
  readonly rootCrls: readonly URL[];
}

const INTEL = 'https://api.trustedservices.intel.com/';
/** CRL distribution point of Intel's root certificate. */
const INTEL_ROOT_CRL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';
const AZURE = 'https://global.acccache.azure.net/';
/** Of a cache (PCCS): the list in hex. */
const CACHED_ROOT_CRL = 'sgx/certification/v4/rootcacrl';

/** @throws {AttestationError} 7, 8 or 27 for an address that is wrong, plain http elsewhere than on this machine included. */
export function pcsSource(source: URL | string): PcsSource {
  if (source === 'intel') return { base: new URL(INTEL), rootCrls: [new URL(INTEL_ROOT_CRL)] };
  if (source === 'azure') {
    return { base: new URL(AZURE), rootCrls: [new URL(CACHED_ROOT_CRL, AZURE), new URL(INTEL_ROOT_CRL)] };
  }
  const text = String(source);
  const origin = parseServiceUrl(text);
  const path = URL.canParse(text) ? new URL(text).pathname : '/';
  if (text.includes('?') || text.includes('#'))
    throw invalid('the source of collateral must have no query and no fragment');
  const base = new URL(path.endsWith('/') ? path : `${path}/`, origin);
  return { base, rootCrls: [new URL(CACHED_ROOT_CRL, base), new URL('IntelSGXRootCA.der', base)] };
}
