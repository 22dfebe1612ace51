import { malformed } from '../../abi/input.js';
import { type PckExtension, parsePckExtension } from '../../abi/pck-extension.js';
import { type Certificate, isCertificateAuthority, namesIssuer, parseCertificates } from '../../abi/x509.js';
import { hex } from '../../base/hex.js';
import { whenAll } from '../../base/when-all.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { isIssuedBy } from '../certificate-signature.js';
import type { CertificateFacts } from '../result.js';
import { attempt, type Part } from './part.js';
import { Remembered } from './remembered.js';

/** A certificate, and what is wrong with it and its signature. */
export interface IssuedCertificate {
  readonly certificate: Certificate;
  readonly faults: readonly string[];
}

/** PCK certificate, its CA and the root, with the outcome of their signatures. */
export interface PckChain {
  readonly leaf: IssuedCertificate;
  readonly ca: IssuedCertificate;
  readonly root: IssuedCertificate;
  /** SHA-256 of the root's DER SubjectPublicKeyInfo, hex. */
  readonly rootKey: string;
  /** Intel's extension of the PCK certificate. */
  readonly extension: Part<PckExtension>;
}

const MAXIMUM_CERTIFICATES = 8;
const known = /* @__PURE__ */ new Remembered<PckChain>(64, 16 * 1024);

/** Forgets every chain, so that the next verification pays for its signatures again. For measurements. */
export function forgetPckChains(): void {
  known.clear();
}

/**
 * Opens the chain of a TD quote: PCK certificate, PCK CA, root, in this order. A chain whose signatures are all good is
 * remembered; dates, revocation and trust in the root are for the caller to look at.
 *
 * @throws {AttestationError} 20 or 21 when a certificate cannot be read.
 * @returns undefined when these are not the three certificates in their order.
 */
export function openPckChain(
  engine: SignatureEngine,
  pem: Uint8Array | string,
): PckChain | undefined | Promise<PckChain | undefined> {
  return known.find(engine, [pem]) ?? openNew(engine, pem);
}

function openNew(
  engine: SignatureEngine,
  pem: Uint8Array | string,
): PckChain | undefined | Promise<PckChain | undefined> {
  const certificates = parseCertificates(pem);
  if (certificates.length > MAXIMUM_CERTIFICATES) throw malformed('PCK certificate chain', 'more than 8 certificates');
  const [leaf, ca, root] = certificates;
  if (leaf === undefined || ca === undefined || root === undefined || certificates.length > 3) return undefined;
  if (!isNamed(leaf, / ?SGX PCK Certificate$/) || !isNamed(ca, /SGX PCK (Platform|Processor) CA$/)) return undefined;
  if (!isNamed(root, /SGX Root CA$/) || !namesIssuer(leaf, ca) || !namesIssuer(ca, root)) return undefined;
  const parts = [issuedBy(engine, leaf, ca), issuedBy(engine, ca, root), issuedBy(engine, root, root)] as const;
  return whenAll(parts, (leaf, ca, root) => {
    const extension = attempt('ERR_CERTIFICATE_FORMAT', () => parsePckExtension(leaf.certificate));
    const chain = { leaf, ca, root, rootKey: publicKeyDigest(engine, root.certificate), extension };
    if (leaf.faults.length + ca.faults.length + root.faults.length === 0) known.add(engine, [pem], chain);
    return chain;
  });
}

export function isNamed({ subject }: Certificate, name: RegExp): boolean {
  return name.test(subject.commonName ?? '');
}

/** SHA-256 of the DER SubjectPublicKeyInfo, hex: what roots are pinned by. */
export function publicKeyDigest(engine: SignatureEngine, { spki }: Certificate): string {
  return hex(engine.digest('SHA-256', spki));
}

const fingerprints = /* @__PURE__ */ new WeakMap<Certificate, string>();

/** A certificate for people. Nothing of it is the certificate's own, which may be remembered for the next verification. */
export function factsOf(engine: SignatureEngine, { certificate }: IssuedCertificate): CertificateFacts {
  const { subject, issuer, serial, notBefore, notAfter, der } = certificate;
  const fingerprint = fingerprints.get(certificate) ?? hex(engine.digest('SHA-256', der));
  fingerprints.set(certificate, fingerprint);
  return {
    subject: subject.commonName ?? '',
    issuer: issuer.commonName ?? '',
    serial: hex(serial),
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    fingerprint,
  };
}

/**
 * A certificate of Intel's hierarchy by its issuer: P-256 with SHA-256 everywhere, CAs that say so, leaves that are not CAs, no
 * critical extension that is not understood.
 */
export function issuedBy(
  engine: SignatureEngine,
  certificate: Certificate,
  issuer: Certificate,
): IssuedCertificate | Promise<IssuedCertificate> {
  const faults: string[] = [];
  const { publicKey, signatureAlgorithm, unknownCritical, hasNameConstraints } = certificate;
  const { scheme } = signatureAlgorithm;
  if (scheme?.scheme !== 'ecdsa' || scheme.hash !== 'SHA-256') faults.push('not signed with ECDSA and SHA-256');
  if (publicKey?.type !== 'ec' || publicKey.curve !== 'P-256') faults.push('no key on P-256');
  if (unknownCritical.length > 0 || hasNameConstraints) faults.push('a critical extension that is not understood');
  if (!isCertificateAuthority(issuer)) faults.push('the issuer is not a CA');
  if (!isNamed(certificate, / CA$/) && isCertificateAuthority(certificate)) faults.push('a leaf that is a CA');
  return whenAll([isIssuedBy(engine, certificate, issuer)], (isSigned) => {
    if (!isSigned) faults.push('the signature is not valid');
    return { certificate, faults };
  });
}
