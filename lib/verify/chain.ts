import type { NativeEndorsement } from '../../binding.js';
import { type ChainCertificate, loadCertificates, requireCertificateInput } from './certificate.js';

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

/** A chain whose signatures are all good, and everything that it was made of. */
interface RememberedChain {
  inputs: (Uint8Array | string)[];
  anchors: string;
  chain: EndorsementChain;
}

const REMEMBERED_CHAINS = 64;
const MAXIMUM_OTHERS = 16;
/** Larger inputs are verified each time, so that what is remembered stays below 1 MiB. */
const LARGEST_REMEMBERED = 16 * 1024;
// Most recently used first. Only signatures are remembered, never whether a date or a root is good. Chains are found by
// comparing bytes, which takes less time than hashing them.
const remembered: RememberedChain[] = [];

/** Forgets every chain, so that the next verification pays for its signatures again. For measurements. */
export function forgetChains(): void {
  remembered.length = 0;
}

/**
 * Finds the chain in what was given and verifies its signatures, once: a chain whose signatures are all good is
 * remembered (64 of them, least recently used first out). Validity dates and trust in the root are not looked at here,
 * so that they are looked at every time.
 *
 * @throws {AttestationError} when a certificate cannot be parsed.
 */
export function openChain(input: ChainInput): EndorsementChain {
  const inputs = [input.leaf, ...input.others.slice(0, MAXIMUM_OTHERS)];
  for (const part of inputs) requireCertificateInput(part);
  const anchors = input.anchors.map(({ info }) => info.fingerprint).join();
  const index = remembered.findIndex((entry) => entry.anchors === anchors && sameInputs(entry.inputs, inputs));
  const [known] = index < 0 ? [] : remembered.splice(index, 1);
  if (known !== undefined) {
    remembered.unshift(known);
    return known.chain;
  }
  const chain = buildChain(inputs, input.anchors);
  const size = inputs.reduce((sum, part) => sum + part.length, 0);
  if (chain.leafSigned && chain.askSigned && chain.arkSelfSigned && size <= LARGEST_REMEMBERED) {
    // Copies: the caller's buffers may change.
    const copies = inputs.map((part) => (typeof part === 'string' ? part : new Uint8Array(part)));
    remembered.unshift({ inputs: copies, anchors, chain });
    remembered.length = Math.min(remembered.length, REMEMBERED_CHAINS);
  }
  return chain;
}

function sameInputs(one: readonly (Uint8Array | string)[], other: readonly (Uint8Array | string)[]): boolean {
  return one.length === other.length && one.every((part, index) => sameInput(part, other[index] ?? ''));
}

function sameInput(one: Uint8Array | string, other: Uint8Array | string): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.length === other.length && Buffer.compare(one, other) === 0;
}

function buildChain(inputs: readonly (Uint8Array | string)[], anchors: readonly ChainCertificate[]): EndorsementChain {
  const [leaf, ...rest] = inputs.flatMap(loadCertificates) as [ChainCertificate, ...ChainCertificate[]];
  const pool = [...rest, ...anchors];
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
