import { type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type CertificateExtension,
  issueCertificate,
  keyUsage,
  subjectAlternativeName,
  subjectKeyIdentifier,
} from '../pki/certificate.js';
import * as der from '../pki/der.js';
import { type KeyPair, pooledRsaKeyPair } from '../pki/key-pool.js';

const DAY_MS = 24 * 3600 * 1000;
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const ROOT = { O: 'Simulated Azure', CN: 'Simulated Vault Root CA' };
const ISSUER = { O: 'Simulated Azure', CN: 'Simulated Vault Issuing CA' };

/** A certificate with its private key, and what is sent along with it. */
export interface VaultCertificate {
  certificate: Certificate;
  privateKey: KeyObject;
  /** From the leaf to the root. */
  chain: Certificate[];
}

/** The authority behind a simulated vault: one leaf for TLS and for the signatures of answers, as the service has it. */
export class VaultAuthority {
  readonly root: Certificate;
  readonly #issuing: Certificate;
  readonly #keys: Record<'root' | 'issuer' | 'leaf', KeyPair>;
  /** The leaf of the vault. */
  readonly leaf: VaultCertificate;

  private constructor(keys: Record<'root' | 'issuer' | 'leaf', KeyPair>, hosts: string[]) {
    this.#keys = keys;
    const authority = [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')];
    this.root = issue(ROOT, keys.root.publicKey, ROOT, keys.root, authority);
    this.#issuing = issue(ISSUER, keys.issuer.publicKey, ROOT, keys.root, authority);
    this.leaf = this.issueLeaf(hosts);
  }

  /** @param hosts DNS names of the leaf; the first one is its common name */
  static async create(name: string, hosts: string[]): Promise<VaultAuthority> {
    const roles = ['root', 'issuer', 'leaf'] as const;
    const [root, issuer, leaf] = await Promise.all(
      roles.map((role) => pooledRsaKeyPair(`${name}-vault-${role}`, 2048)),
    );
    return new VaultAuthority({ root, issuer, leaf } as Record<(typeof roles)[number], KeyPair>, hosts);
  }

  /** Another leaf by the same authority, with the same key. */
  issueLeaf(hosts: string[]): VaultCertificate {
    const { leaf, issuer } = this.#keys;
    const certificate = issue({ CN: hosts[0] ?? '' }, leaf.publicKey, ISSUER, issuer, leafExtensions(hosts));
    return { certificate, privateKey: leaf.privateKey, chain: [certificate, this.#issuing, this.root] };
  }

  /** What any host can make for itself. */
  selfSigned(hosts: string[]): VaultCertificate {
    const { leaf } = this.#keys;
    const name = { CN: hosts[0] ?? '' };
    const certificate = issue(name, leaf.publicKey, name, leaf, leafExtensions(hosts));
    return { certificate, privateKey: leaf.privateKey, chain: [certificate] };
  }

  /** A leaf that an end-entity certificate signed. */
  byEndEntity(hosts: string[]): VaultCertificate {
    const { leaf } = this.#keys;
    const certificate = issue(
      { CN: hosts[0] ?? '' },
      leaf.publicKey,
      { CN: hosts[0] ?? '' },
      leaf,
      leafExtensions(hosts),
    );
    return { certificate, privateKey: leaf.privateKey, chain: [certificate, ...this.leaf.chain] };
  }

  /** A whole chain under a root of the same name that nobody trusts. */
  byStranger(hosts: string[]): VaultCertificate {
    const { leaf } = this.#keys;
    const extensions = [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')];
    const root = issue(ROOT, leaf.publicKey, ROOT, leaf, extensions);
    const certificate = issue({ CN: hosts[0] ?? '' }, leaf.publicKey, ROOT, leaf, leafExtensions(hosts));
    return { certificate, privateKey: leaf.privateKey, chain: [certificate, root] };
  }

  /** The vault's leaf as it was before it expired. */
  expired(hosts: string[]): VaultCertificate {
    const { leaf, issuer } = this.#keys;
    const notAfter = new Date(Date.now() - DAY_MS);
    const certificate = issue({ CN: hosts[0] ?? '' }, leaf.publicKey, ISSUER, issuer, leafExtensions(hosts), notAfter);
    return { certificate, privateKey: leaf.privateKey, chain: [certificate, this.#issuing, this.root] };
  }
}

const leafExtensions = (hosts: string[]): CertificateExtension[] => [
  basicConstraints(false),
  keyUsage('digitalSignature'),
  { oid: '2.5.29.37', value: der.sequence(der.objectIdentifier(SERVER_AUTHENTICATION)) },
  subjectAlternativeName(hosts, hosts.includes('localhost') ? ['127.0.0.1'] : []),
];

function issue(
  subject: Record<string, string>,
  publicKey: KeyObject,
  issuer: Record<string, string>,
  issuerKeys: KeyPair,
  extensions: readonly CertificateExtension[],
  notAfter = new Date(Date.now() + 365 * DAY_MS),
): Certificate {
  return issueCertificate({
    subject,
    issuer,
    publicKey,
    signingKey: issuerKeys.privateKey,
    signatureAlgorithm: 'rsa-sha256',
    serialNumber: randomBytes(19),
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    notAfter,
    extensions: [...extensions, subjectKeyIdentifier(publicKey), authorityKeyIdentifier(issuerKeys.publicKey)],
  });
}
