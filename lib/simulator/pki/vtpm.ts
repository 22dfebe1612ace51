import { type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityInformationAccess,
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type CertificateExtension,
  type DistinguishedName,
  extendedKeyUsage,
  issueCertificate,
  keyUsage,
  subjectKeyIdentifier,
} from './certificate.js';
import { type KeyPair, pooledRsaKeyPair } from './key-pool.js';

const oneDayMs = 24 * 3600 * 1000;

/** TCG key purposes: certificates of endorsement keys and of attestation keys. */
const keyPurposes = { endorsementKey: '2.23.133.8.1', attestationKey: '2.23.133.8.3' } as const;

/**
 * Azure has two hierarchies under one root (field-facts.md): `global`, whose certificates do not say where their issuer's
 * is, and `cloud`, with one authority more and an address (AIA) in every certificate.
 */
export type VtpmHierarchy = 'global' | 'cloud';

export interface AkCertificateOptions {
  /** Whole and part days until it expires; negative for one that has expired. Default 365. */
  daysToExpiry?: number;
  /** Common name of the issuer, default that of the authority. */
  issuerCommonName?: string;
  /** Default `global`. */
  hierarchy?: VtpmHierarchy;
  /** What follows the VM's id in the subject. Default `ConfidentialVM`; Trusted Launch VMs have `TrustedVM`. */
  subjectKind?: 'ConfidentialVM' | 'TrustedVM';
  /** Whole common name of the subject, where it is not to be one of Azure's. */
  subjectCommonName?: string;
  /** Extended key usages, default that of attestation keys. */
  extendedKeyUsages?: readonly string[];
  /** Origin that issuer certificates are published at, for the addresses in certificates of `cloud`. */
  publisher?: string;
}

const names = {
  root: { C: 'US', O: 'Simulated Azure', CN: 'Azure Virtual TPM Root CA 2023' },
  global: { CN: 'Global Virtual TPM CA - 03', O: 'Simulated Azure' },
  cloudPolicy: { C: 'US', O: 'Simulated Azure', CN: 'Azure Cloud Virtual TPM CA 2025' },
  cloud: { C: 'US', O: 'Simulated Azure', CN: 'Azure Cloud Virtual TPM CA - 11' },
} satisfies Record<string, DistinguishedName>;

type Role = keyof typeof names;

/** The authorities that certify the attestation keys of virtual TPMs, shaped like Azure's. */
export class VtpmAuthority {
  /** The root of both hierarchies. */
  readonly root: Certificate;
  /** The issuer of the `global` hierarchy. */
  readonly certificate: Certificate;
  readonly #keys: Record<Role, KeyPair>;
  readonly #issuer: DistinguishedName;

  private constructor(keys: Record<Role, KeyPair>, commonName: string) {
    this.#keys = keys;
    this.#issuer = { ...names.global, CN: commonName };
    this.root = this.#issueAuthority('root', names.root, 'root');
    this.certificate = this.#issueAuthority('global', this.#issuer, 'root');
  }

  /** @param name authorities of different names have different keys */
  static async create(name = 'default', commonName: string = names.global.CN): Promise<VtpmAuthority> {
    const [root, global, cloudPolicy, cloud] = (await Promise.all(
      ['vtpm-root', 'vtpm', 'vtpm-cloud-policy', 'vtpm-cloud'].map((role) => pooledRsaKeyPair(`${name}-${role}`, 2048)),
    )) as [KeyPair, KeyPair, KeyPair, KeyPair];
    return new VtpmAuthority({ root, global, cloudPolicy, cloud }, commonName);
  }

  /** The issuers of the `cloud` hierarchy, from the one below the root downwards. */
  cloudIssuers(publisher?: string): [policy: Certificate, issuer: Certificate] {
    return [
      this.#issueAuthority('cloudPolicy', names.cloudPolicy, 'root', address(publisher, 'root')),
      this.#issueAuthority('cloud', names.cloud, 'cloudPolicy', address(publisher, 'cloudPolicy')),
    ];
  }

  /** Certificates by the path that they are published at (`/pkiops/certs/….crt`), DER. */
  published(publisher: string): Map<string, Buffer> {
    const [policy, issuer] = this.cloudIssuers(publisher);
    return new Map([
      [pathOf('root'), this.root.der],
      [pathOf('cloudPolicy'), policy.der],
      [pathOf('cloud'), issuer.der],
    ]);
  }

  /** Certifies the attestation key of the VM with this id. */
  issueAkCertificate(publicKey: KeyObject, vmId: string, options: AkCertificateOptions = {}): Certificate {
    const { hierarchy = 'global', subjectKind = 'ConfidentialVM', publisher } = options;
    const notAfter = new Date(Date.now() + (options.daysToExpiry ?? 365) * oneDayMs);
    const issuer = hierarchy === 'cloud' ? names.cloud : this.#issuer;
    const keys = this.#keys[hierarchy];
    return issueCertificate({
      subject: { CN: options.subjectCommonName ?? `${vmId.toLowerCase()}.${subjectKind}.Azure.windows.net` },
      issuer: options.issuerCommonName === undefined ? issuer : { ...issuer, CN: options.issuerCommonName },
      publicKey,
      signingKey: keys.privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: randomBytes(19),
      notBefore: new Date(notAfter.getTime() - 365 * oneDayMs),
      notAfter,
      extensions: [
        basicConstraints(false),
        keyUsage('digitalSignature'),
        extendedKeyUsage(...(options.extendedKeyUsages ?? [keyPurposes.attestationKey])),
        subjectKeyIdentifier(publicKey),
        authorityKeyIdentifier(keys.publicKey),
        ...(hierarchy === 'cloud' ? address(publisher, 'cloud') : []),
      ],
    });
  }

  #issueAuthority(
    role: Role,
    subject: DistinguishedName,
    issuer: 'root' | 'cloudPolicy',
    further: CertificateExtension[] = [],
  ): Certificate {
    const { publicKey } = this.#keys[role];
    const pathLength = { root: undefined, global: 0, cloudPolicy: 1, cloud: 0 }[role];
    const { endorsementKey, attestationKey } = keyPurposes;
    return issueCertificate({
      subject,
      issuer: names[issuer],
      publicKey,
      signingKey: this.#keys[issuer].privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: { root: 1, global: 2, cloudPolicy: 3, cloud: 4 }[role],
      notBefore: new Date(Date.now() - 365 * oneDayMs),
      notAfter: new Date(Date.now() + 3650 * oneDayMs),
      extensions: [
        basicConstraints(true, pathLength),
        keyUsage('keyCertSign', 'cRLSign'),
        ...(role === 'root' ? [] : [extendedKeyUsage(endorsementKey, attestationKey)]),
        subjectKeyIdentifier(publicKey),
        ...(role === 'root' ? [] : [authorityKeyIdentifier(this.#keys[issuer].publicKey)]),
        ...further,
      ],
    });
  }
}

const pathOf = (issuer: Role): string => `/pkiops/certs/${encodeURIComponent(names[issuer].CN)}.crt`;

/** Where the certificate of the issuer is; none without a publisher. */
const address = (publisher: string | undefined, issuer: Role): CertificateExtension[] =>
  publisher === undefined ? [] : [authorityInformationAccess(`${publisher}${pathOf(issuer)}`)];
