import { type Certificate, parseCertificate, parseCertificates } from '../../abi/x509.js';
import { equalBytes, isBytes } from '../../base/bytes.js';
import { AttestationError, ErrorCode } from '../../base/errors.js';
import { hex } from '../../base/hex.js';
import { sha2 } from '../../base/sha2.js';
import type { PublicKey } from '../../engine/engine.js';
import { usableKey } from '../../engine/public-key.js';

/** A certificate and what is compared and shown of it. */
export interface ChainCertificate {
  readonly certificate: Certificate;
  /** Absent for a key that is out of bounds or of a kind that is not verified with. */
  readonly key: PublicKey | undefined;
  /** Common names; empty where there is none. */
  readonly subject: string;
  readonly issuer: string;
  /** Hex. */
  readonly serial: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  /** SHA-256 of its DER SubjectPublicKeyInfo, hex. */
  readonly publicKeyDigest: string;
}

/**
 * The certificates of one DER certificate (zero padding allowed) or of PEM text with 1 to 16 of them.
 *
 * @throws {AttestationError} 21 for nothing, 20 for anything malformed, 8 for a value that is neither bytes nor text.
 */
export function loadCertificates(input: Uint8Array | string): ChainCertificate[] {
  if (typeof input !== 'string' && !isBytes(input)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'a certificate is needed, DER or PEM');
  }
  const isDer = typeof input !== 'string' && (input[0] === 0x30 || input[0] === 0);
  const certificates = isDer ? [parseCertificate(input, { padding: true })] : parseCertificates(input);
  return certificates.map(chainCertificate);
}

export function chainCertificate(certificate: Certificate): ChainCertificate {
  const { der, spki, serial, subject, issuer, publicKey } = certificate;
  const key = publicKey === undefined ? undefined : usableKey(publicKey);
  return {
    certificate,
    key,
    subject: subject.commonName ?? '',
    issuer: issuer.commonName ?? '',
    serial: hex(serial),
    fingerprint: hex(sha2('SHA-256', der)),
    publicKeyDigest: hex(sha2('SHA-256', spki)),
  };
}

// AMD's keys are of 4096 bits (VCEK Certificate and KDS Interface Specification); simulated ones may have fewer.
const MAXIMUM_MODULUS = 512;
const EXPONENT = /* @__PURE__ */ Uint8Array.of(1, 0, 1);

/** Whether a key is one of an ARK, ASK or ASVK: larger ones with larger exponents take up to twenty times as long. */
export function isAuthorityKey(key: PublicKey | undefined): boolean {
  return key?.type === 'rsa' && key.n.length <= MAXIMUM_MODULUS && equalBytes(key.e, EXPONENT);
}
