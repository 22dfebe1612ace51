import { type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type DistinguishedName,
  issueCertificate,
  keyUsage,
  subjectKeyIdentifier,
} from './certificate.js';
import { type KeyPair, pooledRsaKeyPair } from './key-pool.js';

const oneDayMs = 24 * 3600 * 1000;

export interface AkCertificateOptions {
  /** Whole and part days until it expires; negative for one that has expired. Default 365. */
  daysToExpiry?: number;
  /** Common name of the issuer, default that of the authority. */
  issuerCommonName?: string;
}

/** The authority that certifies the attestation keys of virtual TPMs, shaped like `Global Virtual TPM CA`. */
export class VtpmAuthority {
  readonly certificate: Certificate;
  readonly #keys: KeyPair;
  readonly #name: DistinguishedName;

  private constructor(keys: KeyPair, commonName: string) {
    this.#keys = keys;
    this.#name = { CN: commonName, O: 'Simulated Azure' };
    const now = Date.now();
    this.certificate = issueCertificate({
      subject: this.#name,
      issuer: this.#name,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: 1,
      notBefore: new Date(now - 365 * oneDayMs),
      notAfter: new Date(now + 3650 * oneDayMs),
      extensions: [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign'), subjectKeyIdentifier(keys.publicKey)],
    });
  }

  /** @param name authorities of different names have different keys */
  static async create(name = 'default', commonName = 'Global Virtual TPM CA - 03'): Promise<VtpmAuthority> {
    return new VtpmAuthority(await pooledRsaKeyPair(`${name}-vtpm`, 2048), commonName);
  }

  /** Certifies the attestation key of the VM with this id. */
  issueAkCertificate(publicKey: KeyObject, vmId: string, options: AkCertificateOptions = {}): Certificate {
    const notAfter = new Date(Date.now() + (options.daysToExpiry ?? 365) * oneDayMs);
    return issueCertificate({
      subject: { CN: `${vmId.toLowerCase()}.TrustedVM.Azure.simulated` },
      issuer: options.issuerCommonName === undefined ? this.#name : { ...this.#name, CN: options.issuerCommonName },
      publicKey,
      signingKey: this.#keys.privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: randomBytes(19),
      notBefore: new Date(notAfter.getTime() - 365 * oneDayMs),
      notAfter,
      extensions: [
        basicConstraints(false),
        keyUsage('digitalSignature'),
        subjectKeyIdentifier(publicKey),
        authorityKeyIdentifier(this.#keys.publicKey),
      ],
    });
  }
}
