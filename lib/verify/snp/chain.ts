import { type EndorsementExtensions, parseEndorsementExtensions } from '../../abi/amd-extensions.js';
import { malformed } from '../../abi/input.js';
import { namesIssuer } from '../../abi/x509.js';
import type { SignatureEngine, Verdict } from '../../engine/engine.js';
import { isIssuedBy } from '../certificate-signature.js';
import { messageOf } from '../refusal.js';
import { Remembered } from '../tdx/remembered.js';
import { type ChainCertificate, isAuthorityKey, loadCertificates } from './certificate.js';

/** Leaf, ASK and ARK as far as they were found, with the outcome of the three signature verifications. */
export interface EndorsementChain {
  leaf: ChainCertificate;
  /** The leaf's extensions, or why they cannot be read. */
  endorsement?: EndorsementExtensions;
  endorsementError?: string;
  ask: ChainCertificate | undefined;
  ark: ChainCertificate | undefined;
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

const MAXIMUM_INPUTS = 17;
const MAXIMUM_CERTIFICATES = 32;
/** Of one name, besides the verifier's own: each costs the verification of a signature. */
const MAXIMUM_CANDIDATES = 8;
/** Together; three certificates take 7 KiB as PEM. */
const MAXIMUM_SIZE = 256 * 1024;
// Larger inputs than 16 KiB are verified each time, so that what is remembered stays below 1 MiB.
const remembered = new Remembered<EndorsementChain>(64, 16 * 1024);

/** Forgets every chain, so that the next verification pays for its signatures again. For measurements. */
export function forgetChains(): void {
  remembered.clear();
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
    throw malformed('certificates', 'too many or too large');
  }
  const key = [...inputs, input.anchors.map(({ fingerprint }) => fingerprint).join()];
  const known = remembered.find(engine, key);
  if (known !== undefined) return known;
  const chain = await buildChain(engine, inputs, input.anchors);
  if (chain.leafSigned && chain.askSigned && chain.arkSelfSigned) remembered.add(engine, key, chain);
  return chain;
}

async function buildChain(
  engine: SignatureEngine,
  inputs: readonly (Uint8Array | string)[],
  anchors: readonly ChainCertificate[],
): Promise<EndorsementChain> {
  const certificates = inputs.flatMap(loadCertificates);
  if (certificates.length > MAXIMUM_CERTIFICATES) throw malformed('certificates', 'more than 32');
  const [leaf, ...rest] = certificates as [ChainCertificate, ...ChainCertificate[]];
  const pool: Pool = { given: distinct(rest), anchors };
  const ask = await issuerOf(engine, leaf, pool);
  const ark = ask && (await issuerOf(engine, ask.issuer, pool));
  const root = ark?.issuer;
  return {
    leaf,
    ...readExtensions(leaf),
    ask: ask?.issuer,
    ark: ark?.issuer,
    leafSigned: ask?.signed ?? false,
    askSigned: ark?.signed ?? false,
    arkSelfSigned: root !== undefined && (await isSignedBy(engine, root, root)),
  };
}

function readExtensions({ certificate }: ChainCertificate): Pick<EndorsementChain, 'endorsement' | 'endorsementError'> {
  try {
    return { endorsement: parseEndorsementExtensions(certificate) };
  } catch (error) {
    return { endorsementError: messageOf(error) };
  }
}

/** Where issuers are looked for: among what was given, then among the verifier's own. */
interface Pool {
  readonly given: readonly ChainCertificate[];
  readonly anchors: readonly ChainCertificate[];
}

function distinct(certificates: readonly ChainCertificate[]): ChainCertificate[] {
  return [...new Map(certificates.map((each) => [each.fingerprint, each])).values()];
}

// Several may carry the name: the one that made the signature is meant.
async function issuerOf(
  engine: SignatureEngine,
  holder: ChainCertificate,
  { given, anchors }: Pool,
): Promise<{ issuer: ChainCertificate; signed: boolean } | undefined> {
  const isNamed = ({ certificate }: ChainCertificate): boolean => namesIssuer(holder.certificate, certificate);
  const named = given.filter(isNamed);
  if (named.length > MAXIMUM_CANDIDATES) {
    throw malformed('certificates', `more than ${MAXIMUM_CANDIDATES} of the name of an issuer`);
  }
  const candidates = distinct([...named, ...anchors.filter(isNamed)]);
  for (const issuer of candidates) {
    if (await isSignedBy(engine, holder, issuer)) return { issuer, signed: true };
  }
  return candidates[0] && { issuer: candidates[0], signed: false };
}

/** Nothing is verified with a key that no authority of AMD has. */
function isSignedBy(engine: SignatureEngine, holder: ChainCertificate, issuer: ChainCertificate): Verdict {
  return isAuthorityKey(issuer.key) && isIssuedBy(engine, holder.certificate, issuer.certificate);
}
