import { type PckExtension, parsePckExtension } from '../../abi/pck-extension.js';
import { certificateInputs } from '../../abi/pem.js';
import { type Certificate, isCertificateAuthority, namesIssuer, parseCertificate } from '../../abi/x509.js';
import { equalBytes } from '../../base/bytes.js';
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

const NAMES = [/ ?SGX PCK Certificate$/, /SGX PCK (Platform|Processor) CA$/, /SGX Root CA$/] as const;
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
  return (
    known.find(engine, [pem]) ??
    whenAll([openIssued(engine, pem, NAMES)], (issued) => {
      const [leaf, ca, root] = issued ?? [];
      if (leaf === undefined || ca === undefined || root === undefined) return undefined;
      const extension = attempt('ERR_CERTIFICATE_FORMAT', () => parsePckExtension(leaf.certificate));
      const chain = { leaf, ca, root, rootKey: publicKeyDigest(engine, root.certificate), extension };
      if (leaf.faults.length + ca.faults.length + root.faults.length === 0) known.add(engine, [pem], chain);
      return chain;
    })
  );
}

/**
 * The certificates of a chain of Intel's, each issued by the next one, the last by itself; undefined when these are not the ones
 * of such names in their order. Of a root that is known nothing is verified again.
 */
export function openIssued(
  engine: SignatureEngine,
  pem: Uint8Array | string,
  names: readonly RegExp[],
  knownRoot?: IssuedCertificate,
): readonly IssuedCertificate[] | undefined | Promise<readonly IssuedCertificate[]> {
  const certificates = certificateInputs(pem).map((der) =>
    knownRoot !== undefined && equalBytes(der, knownRoot.certificate.der)
      ? knownRoot.certificate
      : parseCertificate(der),
  );
  const areThese = certificates.every((certificate, at) => {
    const issuer = certificates[at + 1];
    return names[at]?.test(certificate.subject.commonName ?? '') && (!issuer || namesIssuer(certificate, issuer));
  });
  if (!areThese || certificates.length !== names.length) return undefined;
  const issued = certificates.map((certificate, at) =>
    certificate === knownRoot?.certificate
      ? knownRoot
      : issuedBy(engine, certificate, certificates[at + 1] ?? certificate),
  );
  return whenAll(issued, (...all) => all);
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
function issuedBy(
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
  if (isCertificateAuthority(certificate) && !certificate.subject.commonName?.endsWith(' CA')) {
    faults.push('a leaf that is a CA');
  }
  return whenAll([isIssuedBy(engine, certificate, issuer)], (isSigned) => {
    if (!isSigned) faults.push('the signature is not valid');
    return { certificate, faults };
  });
}
