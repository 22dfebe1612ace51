import { createHash } from 'node:crypto';
import type { NativeEndorsement } from '../../binding.js';
import { type ChainCertificate, certificateBytes, loadCertificates } from './certificate.js';

/** Leaf, ASK and ARK as far as they were found, with the outcome of the three signature verifications. */
export interface EndorsementChain {
  leaf: ChainCertificate;
  /** VCEK or VLEK, by the leaf's common name. */
  leafType?: 'vcek' | 'vlek';
  /** The leaf's extensions, or why they cannot be read. */
  endorsement?: NativeEndorsement;
  endorsementError?: string;
  ask?: ChainCertificate;
  ark?: ChainCertificate;
  leafSigned: boolean;
  askSigned: boolean;
  arkSelfSigned: boolean;
}

export interface ChainInput {
  leaf: Uint8Array | string;
  /** ASK and ARK in any order; more than these are ignored. */
  others: readonly (Uint8Array | string)[];
  /** Roots that complete a chain without one. */
  anchors: readonly ChainCertificate[];
}

const REMEMBERED_CHAINS = 64;
const MAXIMUM_OTHERS = 16;
// By SHA-256 of everything that went in. Only signatures are remembered, never whether a date or a root is good.
const remembered = new Map<string, EndorsementChain>();

/** Forgets every chain, so that the next verification pays for its signatures again. For measurements. */
export function forgetChains(): void {
  remembered.clear();
}

/**
 * Finds the chain in what was given and verifies its signatures, once: a chain whose signatures are all good is
 * remembered (64 of them, least recently used first out). Validity dates and trust in the root are not looked at here,
 * so that they are looked at every time.
 *
 * @throws {AttestationError} when a certificate cannot be parsed.
 */
export function openChain(input: ChainInput): EndorsementChain {
  const key = keyOf(input);
  const known = remembered.get(key);
  if (known !== undefined) {
    remembered.delete(key);
    remembered.set(key, known);
    return known;
  }
  const chain = buildChain(input);
  if (chain.leafSigned && chain.askSigned && chain.arkSelfSigned) {
    remembered.set(key, chain);
    if (remembered.size > REMEMBERED_CHAINS) remembered.delete(remembered.keys().next().value as string);
  }
  return chain;
}

function keyOf({ leaf, others, anchors }: ChainInput): string {
  const hash = createHash('sha256');
  for (const input of [leaf, ...others]) {
    const bytes = certificateBytes(input);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  for (const { info } of anchors) hash.update(info.fingerprint);
  return hash.digest('base64');
}

function buildChain({ leaf: leafInput, others, anchors }: ChainInput): EndorsementChain {
  const [leaf, ...rest] = loadCertificates(leafInput) as [ChainCertificate, ...ChainCertificate[]];
  const pool = [...rest, ...others.slice(0, MAXIMUM_OTHERS).flatMap(loadCertificates), ...anchors];
  const chain: EndorsementChain = { leaf, leafSigned: false, askSigned: false, arkSelfSigned: false };
  if (leaf.info.subject === 'SEV-VCEK') chain.leafType = 'vcek';
  if (leaf.info.subject === 'SEV-VLEK') chain.leafType = 'vlek';
  try {
    chain.endorsement = leaf.handle.endorsement();
  } catch (error) {
    chain.endorsementError = error instanceof Error ? error.message : String(error);
  }
  const ask = issuerOf(leaf, pool);
  if (ask === undefined) return chain;
  chain.ask = ask;
  chain.leafSigned = leaf.handle.issuedBy(ask.handle);
  const ark = issuerOf(ask, pool);
  if (ark === undefined) return chain;
  chain.ark = ark;
  chain.askSigned = ask.handle.issuedBy(ark.handle);
  chain.arkSelfSigned = ark.handle.issuedBy(ark.handle);
  return chain;
}

// Several may carry the name: the one that made the signature is meant.
function issuerOf(certificate: ChainCertificate, pool: readonly ChainCertificate[]): ChainCertificate | undefined {
  const named = pool.filter((candidate) => certificate.handle.namesIssuer(candidate.handle));
  return named.find((candidate) => certificate.handle.issuedBy(candidate.handle)) ?? named[0];
}
