import { type EndorsementExtensions, parseEndorsementExtensions } from '../../abi/amd-extensions.js';
import { malformed } from '../../abi/input.js';
import { namesIssuer } from '../../abi/x509.js';
import { equalBytes } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { isIssuedBy } from '../certificate-signature.js';
import { messageOf } from '../refusal.js';
import { type ChainCertificate, loadCertificates } from './certificate.js';

/** Leaf, ASK and ARK as far as they were found, with the outcome of the three signature verifications. */
export interface EndorsementChain {
  leaf: ChainCertificate;
  /** VCEK or VLEK, by the leaf's common name. */
  leafType?: 'vcek' | 'vlek';
  /** The leaf's extensions, or why they cannot be read. */
  endorsement?: EndorsementExtensions;
  endorsementError?: string;
  ask?: ChainCertificate;
  ark?: ChainCertificate;
  leafSigned: boolean;
  askSigned: boolean;
  arkSelfSigned: boolean;
}

export interface ChainInput {
  leaf: Uint8Array | string;
  /** ASK and ARK in any order. */
  others: readonly (Uint8Array | string)[];
  /** Roots that complete a chain without one. */
  anchors: readonly ChainCertificate[];
}

/** A chain whose signatures are all good, and everything that it was made of. */
interface RememberedChain {
  engine: SignatureEngine;
  inputs: (Uint8Array | string)[];
  anchors: string;
  chain: EndorsementChain;
}

const REMEMBERED_CHAINS = 64;
const MAXIMUM_INPUTS = 17;
const MAXIMUM_CERTIFICATES = 32;
/** Together; three certificates take 7 KiB as PEM. */
const MAXIMUM_SIZE = 256 * 1024;
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
 * The inputs are the verifier's own copies: they are kept.
 *
 * @throws {AttestationError} when a certificate cannot be parsed.
 */
export async function openChain(engine: SignatureEngine, input: ChainInput): Promise<EndorsementChain> {
  const inputs = [input.leaf, ...input.others];
  const size = inputs.reduce((sum, part) => sum + part.length, 0);
  if (inputs.length > MAXIMUM_INPUTS || size > MAXIMUM_SIZE) {
    throw malformed('certificates', 'more than 17, or larger than 256 KiB');
  }
  const anchors = input.anchors.map(({ fingerprint }) => fingerprint).join();
  const index = remembered.findIndex(
    (entry) => entry.engine === engine && entry.anchors === anchors && sameInputs(entry.inputs, inputs),
  );
  const [known] = index < 0 ? [] : remembered.splice(index, 1);
  if (known !== undefined) {
    remembered.unshift(known);
    return known.chain;
  }
  const chain = await buildChain(engine, inputs, input.anchors);
  if (chain.leafSigned && chain.askSigned && chain.arkSelfSigned && size <= LARGEST_REMEMBERED) {
    remembered.unshift({ engine, inputs, anchors, chain });
    remembered.length = Math.min(remembered.length, REMEMBERED_CHAINS);
  }
  return chain;
}

function sameInputs(one: readonly (Uint8Array | string)[], other: readonly (Uint8Array | string)[]): boolean {
  return one.length === other.length && one.every((part, index) => sameInput(part, other[index] ?? ''));
}

function sameInput(one: Uint8Array | string, other: Uint8Array | string): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return equalBytes(one, other);
}

async function buildChain(
  engine: SignatureEngine,
  inputs: readonly (Uint8Array | string)[],
  anchors: readonly ChainCertificate[],
): Promise<EndorsementChain> {
  const certificates = inputs.flatMap(loadCertificates);
  if (certificates.length > MAXIMUM_CERTIFICATES) throw malformed('certificates', 'more than 32');
  const [leaf, ...rest] = certificates as [ChainCertificate, ...ChainCertificate[]];
  const pool = [...rest, ...anchors];
  const chain: EndorsementChain = { leaf, leafSigned: false, askSigned: false, arkSelfSigned: false };
  if (leaf.subject === 'SEV-VCEK') chain.leafType = 'vcek';
  if (leaf.subject === 'SEV-VLEK') chain.leafType = 'vlek';
  try {
    chain.endorsement = parseEndorsementExtensions(leaf.certificate);
  } catch (error) {
    chain.endorsementError = messageOf(error);
  }
  const ask = await issuerOf(engine, leaf, pool);
  if (ask === undefined) return chain;
  chain.ask = ask.issuer;
  chain.leafSigned = ask.signed;
  const ark = await issuerOf(engine, ask.issuer, pool);
  if (ark === undefined) return chain;
  chain.ark = ark.issuer;
  chain.askSigned = ark.signed;
  chain.arkSelfSigned = await isIssuedBy(engine, ark.issuer.certificate, ark.issuer.certificate);
  return chain;
}

// Several may carry the name: the one that made the signature is meant.
async function issuerOf(
  engine: SignatureEngine,
  { certificate }: ChainCertificate,
  pool: readonly ChainCertificate[],
): Promise<{ issuer: ChainCertificate; signed: boolean } | undefined> {
  const named = pool.filter((candidate) => namesIssuer(certificate, candidate.certificate));
  for (const issuer of named) {
    if (await isIssuedBy(engine, certificate, issuer.certificate)) return { issuer, signed: true };
  }
  const [first] = named;
  return first === undefined ? undefined : { issuer: first, signed: false };
}
