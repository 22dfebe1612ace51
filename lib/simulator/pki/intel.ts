import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type CertificateExtension,
  crlDistributionPoint,
  type DistinguishedName,
  issueCertificate,
  keyUsage,
  subjectKeyIdentifier,
} from './certificate.js';
import { crlNumber, issueRevocationList } from './crl.js';
import { freshP256KeyPair, type KeyPair } from './key-pool.js';
import { type PckFields, pckExtension } from './pck-extension.js';

const oneDayMs = 24 * 3600 * 1000;
const oneYearMs = 365.25 * oneDayMs;

/** Who has a certificate that lasts, besides the root. */
export type IntelSubordinate = 'pck-ca' | 'tcb-signing';

export interface IntelAuthorityOptions {
  /** Organization in all names. Default `Simulated Intel`, so that nobody takes them for Intel's. */
  organization?: string | undefined;
}

/** A platform's certificate with the key that signs for its quoting enclave. */
export interface PckLeaf {
  certificate: Certificate;
  privateKey: KeyObject;
}

/** Dates of a revocation list, by default from yesterday for thirty days. */
export interface ListValidity {
  thisUpdate: Date;
  nextUpdate: Date;
}

/**
 * A certificate authority shaped like Intel's for SGX and TDX (tdx.md 2.1): root → PCK Platform CA → PCK certificate, and
 * root → TCB Signing for TCB info and QE identity. All P-256.
 */
export class IntelAuthority {
  readonly root: Certificate;
  readonly pckCa: Certificate;
  readonly tcbSigning: Certificate;
  readonly #keys: Record<'root' | IntelSubordinate, KeyPair>;
  readonly #organization: string;
  readonly #serials: Record<IntelSubordinate, Buffer> = { 'pck-ca': serialNumber(), 'tcb-signing': serialNumber() };
  /** Serial number of each PCK certificate, by the certificate. */
  readonly #leaves = new Map<Certificate, Buffer>();

  private constructor(keys: Record<'root' | IntelSubordinate, KeyPair>, options: IntelAuthorityOptions) {
    this.#keys = keys;
    this.#organization = options.organization ?? 'Simulated Intel';
    const { root, 'pck-ca': pckCa, 'tcb-signing': tcbSigning } = keys;
    const issueByRoot = (commonName: string, serial: Buffer, key: KeyPair, extensions: CertificateExtension[]) =>
      issueCertificate({
        subject: this.#name(commonName),
        issuer: this.#name('Intel SGX Root CA'),
        publicKey: key.publicKey,
        signingKey: root.privateKey,
        signatureAlgorithm: 'ecdsa-sha256',
        serialNumber: serial,
        notBefore: new Date(Date.now() - oneYearMs),
        notAfter: new Date(Date.now() + 15 * oneYearMs),
        extensions: [
          authorityKeyIdentifier(root.publicKey),
          crlDistributionPoint('https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'),
          subjectKeyIdentifier(key.publicKey),
          ...extensions,
        ],
      });
    const authority = keyUsage('keyCertSign', 'cRLSign');
    this.root = issueByRoot('Intel SGX Root CA', serialNumber(), root, [authority, basicConstraints(true, 1)]);
    this.pckCa = issueByRoot('Intel SGX PCK Platform CA', this.#serials['pck-ca'], pckCa, [
      authority,
      basicConstraints(true, 0),
    ]);
    this.tcbSigning = issueByRoot('Intel SGX TCB Signing', this.#serials['tcb-signing'], tcbSigning, [
      keyUsage('digitalSignature', 'nonRepudiation'),
      basicConstraints(false),
    ]);
  }

  static async create(options: IntelAuthorityOptions = {}): Promise<IntelAuthority> {
    const [root, pckCa, tcbSigning] = (await Promise.all(Array.from({ length: 3 }, freshP256KeyPair))) as [
      KeyPair,
      KeyPair,
      KeyPair,
    ];
    return new IntelAuthority({ root, 'pck-ca': pckCa, 'tcb-signing': tcbSigning }, options);
  }

  /** Issuer chain of TCB info and QE identity, PEM. */
  get tcbSigningChain(): string {
    return this.tcbSigning.pem + this.root.pem;
  }

  /** Issuer chain of the PCK revocation list, PEM. */
  get pckCaChain(): string {
    return this.pckCa.pem + this.root.pem;
  }

  /** Issues the certificate of one platform. */
  async issuePck(fields: PckFields, validity?: { notBefore: Date; notAfter: Date }): Promise<PckLeaf> {
    const { publicKey, privateKey } = await freshP256KeyPair();
    const serial = serialNumber();
    const certificate = issueCertificate({
      subject: this.#name('Intel SGX PCK Certificate'),
      issuer: this.#name('Intel SGX PCK Platform CA'),
      publicKey,
      signingKey: this.#keys['pck-ca'].privateKey,
      signatureAlgorithm: 'ecdsa-sha256',
      serialNumber: serial,
      notBefore: validity?.notBefore ?? new Date(Date.now() - 30 * oneDayMs),
      notAfter: validity?.notAfter ?? new Date(Date.now() + 7 * oneYearMs),
      extensions: [
        authorityKeyIdentifier(this.#keys['pck-ca'].publicKey),
        crlDistributionPoint(
          'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
        ),
        subjectKeyIdentifier(publicKey),
        keyUsage('digitalSignature', 'nonRepudiation'),
        basicConstraints(false),
        pckExtension(fields),
      ],
    });
    this.#leaves.set(certificate, serial);
    return { certificate, privateKey };
  }

  /** DER revocation list of the root. */
  rootRevocationList(revoked: readonly IntelSubordinate[] = [], validity?: ListValidity): Buffer {
    const serials = revoked.map((name) => this.#serials[name]);
    return this.#revocationList('Intel SGX Root CA', this.#keys.root, serials, validity);
  }

  /** DER revocation list of the PCK Platform CA. */
  pckRevocationList(revoked: readonly Certificate[] = [], validity?: ListValidity): Buffer {
    const serials = revoked.map((certificate) => this.#leaves.get(certificate) ?? Buffer.alloc(0));
    return this.#revocationList('Intel SGX PCK Platform CA', this.#keys['pck-ca'], serials, validity);
  }

  /** Signs TCB info or QE identity: 64 bytes, r and s. */
  signCollateral(text: string): Buffer {
    return sign('sha256', Buffer.from(text, 'utf8'), {
      key: this.#keys['tcb-signing'].privateKey,
      dsaEncoding: 'ieee-p1363',
    });
  }

  #revocationList(issuer: string, keys: KeyPair, revoked: Buffer[], validity = monthFromYesterday()): Buffer {
    return issueRevocationList({
      issuer: this.#name(issuer),
      signingKey: keys.privateKey,
      signatureAlgorithm: 'ecdsa-sha256',
      ...validity,
      revoked,
      extensions: [crlNumber(1), authorityKeyIdentifier(keys.publicKey)],
    });
  }

  #name(commonName: string): DistinguishedName {
    return { CN: commonName, O: this.#organization, L: 'Santa Clara', ST: 'CA', C: 'US' };
  }
}

/** Validity of everything that Intel publishes every month. */
export function monthFromYesterday(): ListValidity {
  // Whole seconds: that is all that certificates and lists can say.
  const yesterday = Math.floor(Date.now() / 1000) * 1000 - oneDayMs;
  return { thisUpdate: new Date(yesterday), nextUpdate: new Date(yesterday + 30 * oneDayMs) };
}

/** 20 bytes, positive and not shorter. */
function serialNumber(): Buffer {
  const serial = createHash('sha1').update(randomBytes(16)).digest();
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  return serial;
}
