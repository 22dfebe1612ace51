import { type Certificate, isCertificateAuthority, NAME_CONSTRAINTS, namesIssuer } from '../abi/x509.js';
import { DIGITAL_SIGNATURE } from '../abi/x509-extensions.js';
import { equalBytes } from '../base/bytes.js';
import type { SignatureEngine } from '../engine/engine.js';
import { verifySigned } from './certificate-signature.js';

/** Extended key usage of servers in TLS (id-kp-serverAuth). */
export const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const ANY_USAGE = '2.5.29.37.0';

/** What a path is built of: of a trust anchor no more is known. */
export type Authority = Pick<
  Certificate,
  | 'der'
  | 'subject'
  | 'notBefore'
  | 'notAfter'
  | 'publicKey'
  | 'extensions'
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'unknownCritical'
>;

export interface PathOptions {
  /** Trust anchors. A path ends at one of these, never at a root that the peer sent along. */
  readonly roots: readonly Authority[];
  readonly now: Date;
  /** Extended key usage that the leaf must have, and that no authority above it may lack where it has any. */
  readonly usage?: string;
  /** What evaluates the name constraints of an authority above a path; without it one that has any is refused. */
  readonly constraints?: (path: readonly Certificate[], issuer: Authority) => string | undefined;
}

const unevaluated = (): string => 'its name constraints are not evaluated here';

/** The path that was found, leaf first, trust anchor last; or what was wrong with the longest one that was tried. */
export type PathVerdict = { readonly path: readonly Authority[] } | { readonly problem: string };

/** Certificates between leaf and anchor. */
const MAX_INTERMEDIATES = 8;
/** Signatures that are verified for one leaf: what bounds the work of a hostile set of certificates. */
const MAX_SIGNATURES = 32;

/**
 * Builds a path from a certificate to a trust anchor and checks all of it (RFC 5280 section 6): signatures, validity, CA and
 * path length, key usage, extended key usage, name constraints; a critical extension that is not understood refuses.
 * Revocation is not looked at here.
 */
export async function findPath(
  engine: SignatureEngine,
  leaf: Certificate,
  intermediates: readonly Certificate[],
  options: PathOptions,
): Promise<PathVerdict> {
  const problem = leafProblem(leaf, options);
  if (problem !== undefined) return { problem: `${nameOf(leaf)}: ${problem}` };
  const search = new PathSearch(engine, intermediates, options);
  const path = await search.from([leaf]);
  return path === undefined ? { problem: search.problem } : { path };
}

class PathSearch {
  /** Of the longest path: that one came closest. */
  problem = 'no path to a trusted root';
  #depthOfProblem = 0;
  #signatures = 0;

  constructor(
    readonly engine: SignatureEngine,
    readonly intermediates: readonly Certificate[],
    readonly options: PathOptions,
  ) {}

  /** @param path leaf first; everything in it but the last certificate's own issuer has been checked */
  async from(path: readonly Certificate[]): Promise<readonly Authority[] | undefined> {
    const last = path[path.length - 1] as Certificate;
    if (this.options.roots.some((root) => equalBytes(root.der, last.der))) return path;
    for (const issuer of this.options.roots) {
      if (await this.#continues(path, last, issuer)) return [...path, issuer];
    }
    if (path.length > MAX_INTERMEDIATES) return this.#failed(path, `more than ${MAX_INTERMEDIATES} intermediates`);
    for (const issuer of this.intermediates) {
      const seen = path.some((one) => equalBytes(one.der, issuer.der));
      if (seen || !(await this.#continues(path, last, issuer))) continue;
      const found = await this.from([...path, issuer]);
      if (found !== undefined) return found;
    }
    return this.#failed(path, 'no path to a trusted root');
  }

  async #continues(path: readonly Certificate[], subject: Certificate, issuer: Authority): Promise<boolean> {
    if (!namesIssuer(subject, issuer)) return false;
    const problem =
      issuerProblem(path, issuer, this.options) ??
      (++this.#signatures > MAX_SIGNATURES ? 'too many certificates' : undefined);
    if (problem !== undefined) this.#failed([...path, issuer], problem);
    else if (await verifySigned(this.engine, issuer.publicKey, subject)) return true;
    else this.#failed(path, `not signed by the key of ${issuer.subject.text}`);
    return false;
  }

  #failed(path: readonly Authority[], problem: string): undefined {
    if (path.length <= this.#depthOfProblem) return undefined;
    this.#depthOfProblem = path.length;
    this.problem = `${nameOf(path[path.length - 1] as Authority)}: ${problem}`;
    return undefined;
  }
}

const nameOf = ({ subject }: Authority): string => (subject.text === '' ? 'the certificate' : subject.text);

function leafProblem(leaf: Certificate, { now, usage }: PathOptions): string | undefined {
  const problem = commonProblem(leaf, now);
  if (problem !== undefined) return problem;
  const { keyUsage, extendedKeyUsage } = leaf;
  if (keyUsage !== undefined && (keyUsage & DIGITAL_SIGNATURE) === 0) {
    return 'its key usage has no digitalSignature';
  }
  if (usage !== undefined && !extendedKeyUsage?.includes(usage)) {
    return `its extended key usage lacks ${usage}`;
  }
  return undefined;
}

function issuerProblem(
  path: readonly Certificate[],
  issuer: Authority,
  { now, usage, constraints = unevaluated }: PathOptions,
): string | undefined {
  const problem = commonProblem(issuer, now);
  if (problem !== undefined) return problem;
  if (!isCertificateAuthority(issuer)) return 'it may not sign certificates';
  const { extendedKeyUsage, basicConstraints } = issuer;
  const usages = [usage, ANY_USAGE];
  if (usage !== undefined && extendedKeyUsage && !extendedKeyUsage.some((one) => usages.includes(one))) {
    return `its extended key usage lacks ${usage}`;
  }
  // Self-issued certificates (a renewed key) do not count; the leaf never does (RFC 5280 section 4.2.1.9).
  const below = path.slice(1).filter((one) => !namesIssuer(one, one)).length;
  if (basicConstraints?.pathLength !== undefined && below > basicConstraints.pathLength) {
    return `it allows ${basicConstraints.pathLength} authorities below it`;
  }
  return issuer.extensions.has(NAME_CONSTRAINTS) ? constraints(path, issuer) : undefined;
}

function commonProblem({ notBefore, notAfter, unknownCritical }: Authority, now: Date): string | undefined {
  if (now < notBefore) return `not valid before ${notBefore.toISOString()}`;
  if (now > notAfter) return `not valid after ${notAfter.toISOString()}`;
  const [unknown] = unknownCritical;
  return unknown === undefined ? undefined : `a critical extension that is not understood: ${unknown}`;
}
